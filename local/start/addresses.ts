/** Cloud addresses in a template's values, and the local ones that stand for them. */
import type { GatewaySpec } from "../contracts.ts";

/** Replaces the addresses of the API and of queues by those on the platform's port. */
export const localizer = (
  api: Pick<GatewaySpec, "apiId" | "region">,
  port: number,
): ((text: string) => string) => {
  const host = `127.0.0.1:${port}`;
  const cloudHost = `${api.apiId}.execute-api.${api.region}.amazonaws.com`;
  return (text) =>
    text
      .replaceAll(`wss://${cloudHost}`, `ws://${host}`)
      .replaceAll(`https://${cloudHost}`, `http://${host}`)
      .replaceAll(cloudHost, host)
      .replaceAll(`https://sqs.${api.region}.amazonaws.com/`, `http://${host}/`);
};
