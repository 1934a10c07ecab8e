import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SQSClient } from "@aws-sdk/client-sqs";

/**
 * One way to make a client: short deadlines, because a caller waits at the other end of a socket, and the SDK's
 * own retries with jitter for throttles and dropped connections. Unused imports are dropped by the bundler, so
 * a function carries only the services it calls.
 */
export const settings = {
  maxAttempts: 4,
  requestHandler: {
    connectionTimeout: 1_000,
    requestTimeout: 3_000,
    throwOnRequestTimeout: true,
    httpAgent: { keepAlive: true, maxSockets: 256 },
    httpsAgent: { keepAlive: true, maxSockets: 256 },
  },
};

export const createDynamoClient = (): DynamoDBClient => new DynamoDBClient(settings);

export const createQueueClient = (): SQSClient => new SQSClient(settings);
