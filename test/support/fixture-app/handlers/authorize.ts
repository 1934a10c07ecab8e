import type { APIGatewayAuthorizerResult, APIGatewayRequestAuthorizerEvent } from "aws-lambda";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { variable } from "./environment.ts";

const issuer = variable("TOKEN_ISSUER");
const audience = variable("TOKEN_AUDIENCE");
const keys = createRemoteJWKSet(new URL(variable("TOKEN_JWKS_URL")));

/** Allows the bearer of a valid token, and puts its subject into the context. */
export const handler = async (
  event: APIGatewayRequestAuthorizerEvent,
): Promise<APIGatewayAuthorizerResult> => {
  const token = event.queryStringParameters?.["token"] ?? "";
  try {
    const { payload } = await jwtVerify(token, keys, { issuer, audience });
    return answer("Allow", payload.sub ?? "", event.methodArn);
  } catch (error) {
    console.warn(JSON.stringify({ message: "refused", reason: String(error) }));
    return answer("Deny", "nobody", event.methodArn);
  }
};

const answer = (effect: "Allow" | "Deny", userId: string, resource: string): APIGatewayAuthorizerResult => ({
  principalId: userId,
  policyDocument: {
    Version: "2012-10-17",
    Statement: [{ Effect: effect, Action: "execute-api:Invoke", Resource: resource }],
  },
  context: { userId },
});
