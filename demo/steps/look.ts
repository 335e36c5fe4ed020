import { show } from '../show.ts';
import { expect, type Step } from './step.ts';

export const lookAtStatus: Step = {
  title: 'How it stands',
  explanation: 'One look at everything that Tidegate serves on this box.',
  run: async ({ edge, tidegate }) => {
    const status = await show(edge, tidegate.command('status'));
    for (const service of ['default/web', 'default/echo', 'default/web-anywhere'])
      expect(status.includes(service), `The status does not mention ${service}`);
    return 'every Service with its addresses and backends';
  },
};

export const explainService: Step = {
  title: 'Why it stands so',
  explanation:
    'The whole chain of one Service: where its address comes from, who announces it, and why each ' +
    'backend is or is not used. This is where to look when traffic stops.',
  run: async ({ edge, tidegate }) => {
    const words = tidegate.command('explain', 'service', 'default/web');
    const text = await show(edge, words);
    expect(/front/.test(text) && /web-5/.test(text), 'It does not name the pool and all backends');
    return 'pool, announcement, every backend, and the last events';
  },
};
