import { ApiError } from '../transport/api-error.ts';

/**
 * A server said something that the API does not say. Never quotes it: it may be a Secret, and it
 * came from somebody whom we do not know.
 */
export function garbage(message: string): ApiError {
  return new ApiError(message, { status: 0, reason: 'Garbage' });
}
