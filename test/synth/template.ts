/** What the tests of the template have in common: a synthesized template, and its intrinsics as short texts. */
import { App } from "aws-cdk-lib";
import { type StageConfig, stageConfig } from "../../lib/config.ts";
import { TidingsStack } from "../../lib/tidings-stack.ts";

type JsonObject = { readonly [key: string]: unknown };

export interface Resource {
  readonly Type: string;
  readonly Properties?: JsonObject;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

export interface CloudFormationTemplate {
  readonly Parameters: Readonly<Record<string, JsonObject>>;
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs: Readonly<Record<string, { readonly Value: unknown }>>;
}

/**
 * The template of a stage, its handlers not bundled. The CDK's own check of templates is left to the test of
 * the real `cdk synth`: it takes five seconds a run.
 */
export function synthesize(stage: StageConfig): CloudFormationTemplate {
  process.env["CDK_VALIDATION"] = "false";
  const app = new App({ context: { "aws:cdk:bundling-stacks": [] } });
  const stack = new TidingsStack(app, `Tidings-${stage.stageName}`, { stage });
  return app.synth().getStackArtifact(stack.artifactId).template as CloudFormationTemplate;
}

export const dev = synthesize(stageConfig("dev"));
export const prod = synthesize(stageConfig("prod"));

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A logical id without the hash that the CDK ends it with: `ChatLogMessages46381246` → `ChatLogMessages`. */
export const shortId = (logicalId: string): string => logicalId.replace(/(?<=.)[0-9A-F]{8}$/, "");

/**
 * The value with each intrinsic function as a text: `Ref` as `${Name}`, `Fn::GetAtt` as `${Name.Attribute}`,
 * `Fn::Join` joined. Throws on any other.
 * @param name of a logical id in these texts
 */
export function readable(value: unknown, name: (logicalId: string) => string = shortId): unknown {
  if (Array.isArray(value)) return value.map((item) => readable(item, name));
  if (!isObject(value)) return value;
  const [key, ...others] = Object.keys(value);
  if (key === undefined || others.length > 0 || !(key === "Ref" || key.startsWith("Fn::"))) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, readable(member, name)]));
  }
  const of = value[key];
  if (key === "Ref" && typeof of === "string") return `\${${name(of)}}`;
  if (key === "Fn::GetAtt" && Array.isArray(of)) return `\${${name(String(of[0]))}.${String(of[1])}}`;
  if (key === "Fn::Join" && Array.isArray(of) && Array.isArray(of[1])) {
    return of[1].map((part) => String(readable(part, name))).join(String(of[0]));
  }
  if (key === "Fn::Sub" && typeof of === "string") return of;
  throw new Error(`no text for ${JSON.stringify(value)}`);
}

/** The readable properties of all resources of a type, by short logical id. Throws where two share one. */
export function propertiesOf(template: CloudFormationTemplate, type: string): Record<string, JsonObject> {
  const found: Record<string, JsonObject> = {};
  for (const [id, resource] of Object.entries(template.Resources)) {
    if (resource.Type !== type) continue;
    if (Object.hasOwn(found, shortId(id))) throw new Error(`two resources are called ${shortId(id)}`);
    found[shortId(id)] = readable(resource.Properties ?? {}) as JsonObject;
  }
  return found;
}

/** Every string anywhere in a value, member names included. */
export function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(textsIn);
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, member]) => [key, ...textsIn(member)]);
}
