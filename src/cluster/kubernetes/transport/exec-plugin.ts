import { spawn } from 'node:child_process';
import type { ApiError } from './api-error.ts';
import { credentialError } from './credential-file.ts';

/** `users[].user.exec` of a kubeconfig: a program that prints credentials. */
export interface ExecPlugin {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  /** What the plugin is told of the cluster, when it asks (`provideClusterInfo`). */
  readonly cluster: Readonly<Record<string, unknown>> | undefined;
  /** For who has not got the program. */
  readonly installHint: string;
}

/** What a plugin printed (client.authentication.k8s.io ExecCredential, `status`). */
export interface ExecCredential {
  readonly token: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  /** Wall clock, ms since 1970. */
  readonly expiresMs: number | undefined;
}

/** A plugin may ask a cloud; one that takes longer waits for a person. */
const PLUGIN_TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 1_048_576;

/**
 * Runs the plugin. The client's own runner is not used: it does not tell the plugin which version of
 * the API it speaks (`KUBERNETES_EXEC_INFO`), waits without limit, and quotes what the plugin printed
 * in its errors. What the plugin says on standard error goes to ours, as kubectl does it.
 */
export async function runExecPlugin(plugin: ExecPlugin, origin: string): Promise<ExecCredential> {
  const name = `${origin}: exec plugin "${plugin.command}"`;
  const output = await collectOutput(plugin, name);
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    // The parser's message quotes what it read, which may be a token.
    throw credentialError(`${name} did not print JSON`);
  }
  return decodeCredential(answer, plugin, name);
}

function collectOutput(plugin: ExecPlugin, name: string): Promise<string> {
  const info = {
    apiVersion: plugin.apiVersion,
    kind: 'ExecCredential',
    spec: {
      interactive: false,
      ...(plugin.cluster === undefined ? {} : { cluster: plugin.cluster }),
    },
  };
  return new Promise((resolve, reject) => {
    const child = spawn(plugin.command, plugin.args, {
      env: {
        ...process.env,
        ...plugin.variables,
        KUBERNETES_EXEC_INFO: JSON.stringify(info),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pieces: Buffer[] = [];
    let size = 0;
    const giveUp = (error: ApiError) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      child.stdout.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () => giveUp(credentialError(`${name} printed nothing for ${PLUGIN_TIMEOUT_MS} ms`)),
      PLUGIN_TIMEOUT_MS,
    );
    child.stdout.on('data', (piece: Buffer) => {
      size += piece.length;
      pieces.push(piece);
      if (size > MAX_OUTPUT_BYTES) giveUp(credentialError(`${name} prints without end`));
    });
    child.on('error', (cause) => {
      const hint = plugin.installHint === '' ? '' : `; ${plugin.installHint}`;
      giveUp(credentialError(`${name} cannot be run: ${cause.message}${hint}`, cause));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(Buffer.concat(pieces).toString());
      else {
        const how = code === null ? `was ended by ${signal}` : `ended with code ${code}`;
        reject(credentialError(`${name} ${how}; its own words are on our standard error`));
      }
    });
  });
}

function decodeCredential(answer: unknown, plugin: ExecPlugin, name: string): ExecCredential {
  const { apiVersion, kind, status } = Object(answer) as Record<string, unknown>;
  if (kind !== 'ExecCredential' || apiVersion !== plugin.apiVersion) {
    throw credentialError(
      `${name} must print an ExecCredential of ${plugin.apiVersion}: ` +
        'set exec.apiVersion to what the plugin speaks',
    );
  }
  const fields = Object(status) as Record<string, unknown>;
  const text = (field: string) => (typeof fields[field] === 'string' ? fields[field] : undefined);
  const token = text('token');
  const certificate = text('clientCertificateData');
  const key = text('clientKeyData');
  const expiresMs = Date.parse(text('expirationTimestamp') ?? '');
  if (!token && !(certificate && key)) {
    throw credentialError(`${name} printed neither a token nor a client certificate with its key`);
  }
  return {
    token,
    certificate,
    key,
    expiresMs: Number.isNaN(expiresMs) ? undefined : expiresMs,
  };
}
