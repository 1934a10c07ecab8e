/**
 * Who calls: each function has an access key of its own that stands for its role, and the operator has one
 * that may do anything. A key that the platform did not issue is nobody's.
 */
import { randomBytes } from "node:crypto";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

/** The caller of an AWS operation: a role, or the operator of the platform, whom no policy binds. */
export type Principal = { readonly kind: "role"; readonly roleName: string } | { readonly kind: "operator" };

export interface Principals {
  /** A new key that stands for the principal. */
  issue(principal: Principal): Credentials;
  find(accessKeyId: string): Principal | undefined;
  /** What a signature of the key is made with. */
  credentialsOf(accessKeyId: string): Credentials | undefined;
}

/** 20 characters of A-Z and 2-7, as access key ids have; ASIA marks a temporary one. */
const newAccessKeyId = (): string => {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  return `ASIA${[...randomBytes(16)].map((byte) => letters[byte % 32]).join("")}`;
};

export const createPrincipals = (): Principals => {
  const known = new Map<string, { readonly principal: Principal; readonly credentials: Credentials }>();
  return {
    issue: (principal) => {
      const accessKeyId = newAccessKeyId();
      const credentials = {
        accessKeyId,
        secretAccessKey: randomBytes(30).toString("base64"),
        sessionToken: randomBytes(48).toString("base64"),
      };
      known.set(accessKeyId, { principal, credentials });
      return credentials;
    },
    find: (accessKeyId) => known.get(accessKeyId)?.principal,
    credentialsOf: (accessKeyId) => known.get(accessKeyId)?.credentials,
  };
};

/** What a signed request says of itself: who signed it, and for which service. */
export interface SigningScope {
  readonly accessKeyId: string;
  readonly service: string;
}

const credential = /Credential=([A-Za-z0-9]+)\/\d{8}\/[a-z0-9-]+\/([a-z0-9-]+)\/aws4_request/;
const queryCredential =
  /[?&]X-Amz-Credential=([A-Za-z0-9]+)(?:%2F|\/)\d{8}(?:%2F|\/)[a-z0-9-]+(?:%2F|\/)([a-z0-9-]+)/i;

/** The scope of a signature, from the Authorization header or a presigned URL; undefined without one. */
export const signingScope = (authorization: string | undefined, url: string): SigningScope | undefined => {
  const match = authorization === undefined ? queryCredential.exec(url) : credential.exec(authorization);
  const [, accessKeyId, service] = match ?? [];
  if (accessKeyId === undefined || service === undefined) return undefined;
  return { accessKeyId, service };
};
