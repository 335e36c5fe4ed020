/** An answer that is not what was asked for, with the words for the client. */
export class ApiError extends Error {
  readonly statusCode: number;
  readonly code: string;
  readonly remedy: string;

  constructor(statusCode: number, code: string, message: string, remedy: string) {
    super(message);
    this.statusCode = statusCode;
    this.code = code;
    this.remedy = remedy;
  }
}

/** The role that knows the answer does not run in this process. */
export function roleAbsent(role: string, instance: string): ApiError {
  return new ApiError(
    404,
    'role_absent',
    `This process runs "${instance}", and only the ${role} knows that`,
    `Ask the process that runs the role ${role}`,
  );
}
