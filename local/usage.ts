/**
 * What a cloud would put on its bill, told as it happens, for cost meters. Not among it: DynamoDB's units (its
 * engine keeps count of those), time that connections are open, stored bytes, the start of an environment, and
 * polls of a queue that find nothing, which here come more often than there.
 */
export type Usage =
  | {
      /** One event that a function has run, whatever its outcome. */
      readonly service: "lambda";
      readonly functionName: string;
      readonly memoryMb: number;
      /** From the event's handing over to its answer, on this machine. */
      readonly durationMs: number;
    }
  | {
      /** One WebSocket message: from a client, back to it, or by a POST to `@connections` that was taken. */
      readonly service: "api-gateway";
      readonly kind: "received" | "sent" | "posted";
      readonly bytes: number;
    }
  | {
      /** One request to SQS, by a function or by the poller of an event source mapping. */
      readonly service: "sqs";
      readonly operation: string;
      /** Bytes of message bodies and attributes that it carried, in or out. */
      readonly bytes: number;
    }
  | {
      /** One signed request to S3, refused ones among them, by a function or by a client with a presigned URL. */
      readonly service: "s3";
      /** Such as `PutObject`. */
      readonly operation: string;
      /** How it is billed: as PUT, COPY, POST and LIST; as GET and all others; not at all. */
      readonly tier: "write" | "read" | "free";
      /** Of its body, in and out. */
      readonly bytesIn: number;
      readonly bytesOut: number;
    };

export type OnUsage = (usage: Usage) => void;
