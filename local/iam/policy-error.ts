/** A policy that the platform cannot evaluate: it says what, so that nothing is silently allowed or denied. */
export class PolicyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PolicyError";
  }
}
