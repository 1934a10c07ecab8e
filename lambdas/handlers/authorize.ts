/** REQUEST authorizer of `$connect`: [CON1] [CON2] [CON3]. Throwing `Unauthorized` is API Gateway's way to 401. */
import middy from "@middy/core";
import type { APIGatewayAuthorizerResult, APIGatewayRequestAuthorizerEvent } from "aws-lambda";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { authorize, type VerifyToken } from "../connections/authorize.ts";
import { readEnvironment } from "../environment.ts";
import { describe, log } from "../telemetry/log.ts";

export const makeHandler =
  (verify: VerifyToken) =>
  async (event: APIGatewayRequestAuthorizerEvent): Promise<APIGatewayAuthorizerResult> => {
    const decision = await authorize(event, verify).catch((error: unknown) => {
      log.error("request failed", { command: "$connect", ...describe(error) });
      throw error;
    });
    if (decision.kind === "unauthorized") {
      log.info("handshake unauthorized", { reason: decision.reason });
      throw new Error("Unauthorized");
    }
    if (decision.kind === "forbidden") {
      log.info("handshake forbidden", { userId: decision.userId, reason: decision.reason });
      return { principalId: decision.userId, policyDocument: policy("Deny", event.methodArn) };
    }
    const { userId, deviceId, tokenExpiresAt } = decision;
    return {
      principalId: userId,
      policyDocument: policy("Allow", event.methodArn),
      context: { userId, deviceId, tokenExpiresAt },
    };
  };

const policy = (
  Effect: "Allow" | "Deny",
  Resource: string,
): APIGatewayAuthorizerResult["policyDocument"] => ({
  Version: "2012-10-17",
  Statement: [{ Action: "execute-api:Invoke", Effect, Resource }],
});

const env = readEnvironment("TOKEN_ISSUER", "TOKEN_AUDIENCE", "TOKEN_JWKS_URL");
const keys = createRemoteJWKSet(new URL(env.TOKEN_JWKS_URL));
// Asymmetric algorithms only: with a shared secret, whoever verifies could also sign.
const options = {
  issuer: env.TOKEN_ISSUER,
  audience: env.TOKEN_AUDIENCE,
  requiredClaims: ["sub", "exp"],
  algorithms: ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"],
};

export const handler = middy(makeHandler(async (token) => (await jwtVerify(token, keys, options)).payload));
