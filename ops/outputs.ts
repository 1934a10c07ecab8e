/** Where a deployment's queues are, and how to reach them: from its outputs, and locally from the file beside them. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

type Json = Readonly<Record<string, unknown>>;

/** A wrong option, or a file that is not what it should be: a message of one line for a person. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** Outputs of one stack by key. */
export type Outputs = Readonly<Record<string, string>>;

/** What every AWS client of a deployment is made with. */
export interface Connection {
  readonly region: string;
  /** Set for a local system alone, which answers all services there. */
  readonly endpoint?: string;
  /** Set for a local system alone; else the SDK looks for them where it always does. */
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken: string;
  };
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * The outputs in a file: as `npm start` writes them (by key), as `cdk deploy --outputs-file` does (by stack),
 * or as `aws cloudformation describe-stacks` prints them.
 *
 * @param stack chooses one stack where the file has several
 * @throws UsageError
 */
export function readOutputs(file: string, stack?: string): Outputs {
  const content = readJson(file);
  const stacks = stacksOf(content);
  const names = [...stacks.keys()].join(", ");
  if (stack !== undefined) {
    const found = stacks.get(stack);
    if (found === undefined)
      throw new UsageError(`${file} has no stack ${stack}${names === "" ? "" : `: it has ${names}`}`);
    return found;
  }
  const [first, second] = [...stacks.values()];
  if (first === undefined) throw new UsageError(`${file} holds no outputs of a stack`);
  if (second !== undefined) throw new UsageError(`${file} has several stacks (${names}): choose by --stack`);
  return first;
}

function readJson(file: string): Json {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw new UsageError(`cannot read ${file}: give the outputs of a deployment by --outputs`);
  }
  try {
    const content: unknown = JSON.parse(text);
    if (isObject(content)) return content;
  } catch {
    // said below
  }
  throw new UsageError(`${file} is no JSON object`);
}

function stacksOf(content: Json): Map<string, Outputs> {
  const stacks = new Map<string, Outputs>();
  const flat = textsOf(content);
  if (Object.keys(flat).length > 0) stacks.set("", flat);
  for (const [name, members] of Object.entries(content)) {
    if (isObject(members)) stacks.set(name, textsOf(members));
  }
  const described: unknown[] = Array.isArray(content["Stacks"]) ? content["Stacks"] : [];
  for (const one of described.filter(isObject)) {
    const outputs: unknown[] = Array.isArray(one["Outputs"]) ? one["Outputs"] : [];
    const pairs = outputs
      .filter(isObject)
      .map((output) => [String(output["OutputKey"]), output["OutputValue"]] as const);
    stacks.set(String(one["StackName"]), textsOf(Object.fromEntries(pairs)));
  }
  return stacks;
}

const textsOf = (members: Json): Outputs =>
  Object.fromEntries(
    Object.entries(members).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );

const inAws = /^https:\/\/sqs\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?\//;

/** Locally every region's name will do; only the signature carries it. */
const LOCAL_REGION = "us-east-1";

/**
 * How to reach the queues of these outputs: AWS in the region of their URLs, or the local system whose endpoint
 * and operator's key lie in `operator.json` beside the outputs.
 *
 * @throws UsageError where neither fits, so that nothing is sent to the wrong system
 */
export function connectionTo(outputs: Outputs, file: string): Connection {
  const urls = Object.entries(outputs).filter(([key]) => key.endsWith("QueueUrl"));
  const [first] = urls;
  if (first === undefined) throw new UsageError(`${file} names no queue`);
  const [, url] = first;
  const region = inAws.exec(url)?.[1];
  if (region !== undefined) return { region };
  const operatorFile = join(dirname(file), "operator.json");
  if (!existsSync(operatorFile)) {
    throw new UsageError(`${url} is a local queue, and no operator.json lies beside ${file}: is it running?`);
  }
  const operator = readJson(operatorFile);
  const text = (name: string): string => {
    const value = operator[name];
    if (typeof value !== "string") throw new UsageError(`${operatorFile} has no ${name}`);
    return value;
  };
  const endpoint = text("endpoint");
  if (!url.startsWith(`${endpoint}/`))
    throw new UsageError(`${url} is not of the system at ${endpoint}, which ${operatorFile} names`);
  return {
    region: LOCAL_REGION,
    endpoint,
    credentials: {
      accessKeyId: text("accessKeyId"),
      secretAccessKey: text("secretAccessKey"),
      sessionToken: text("sessionToken"),
    },
  };
}
