/** What is wrong with an object, where the object is known. */
export interface Fault {
  readonly field: string;
  readonly message: string;
  readonly remedy: string;
}
