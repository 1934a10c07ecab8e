/**
 * Reads a cloud assembly (what `cdk synth` writes): its stacks' templates and, of its file assets, the local
 * folders that the templates name by S3 key.
 */
import { isObject } from "../json.ts";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { JsonObject, JsonValue } from "../contracts.ts";

/** One stack of an assembly. */
export interface Stack {
  readonly name: string;
  readonly template: JsonObject;
  /** Absolute path of each file asset's source, by its S3 object key. */
  readonly assets: ReadonlyMap<string, string>;
}

/** A value written out: a string as it is, anything else as JSON. */
export const textOf = (value: JsonValue | undefined): string =>
  typeof value === "string" ? value : JSON.stringify(value ?? null);

/** The object at a key, or an empty one where there is none. Throws where something else stands there. */
export const section = (parent: JsonObject, key: string, where: string): JsonObject => {
  const value = parent[key];
  if (value === undefined) return {};
  if (!isObject(value)) throw new Error(`${where}: ${key} is not an object`);
  return value;
};

const readJson = (file: string): JsonObject => {
  const parsed = JSON.parse(readFileSync(file, "utf8")) as JsonValue;
  if (!isObject(parsed)) throw new Error(`${file} does not hold a JSON object`);
  return parsed;
};

/** Source paths by object key, from one `*.assets.json`. */
const readAssets = (folder: string, file: string): [string, string][] => {
  const found: [string, string][] = [];
  for (const asset of Object.values(section(readJson(join(folder, file)), "files", file))) {
    if (!isObject(asset)) continue;
    const path = section(asset, "source", file)["path"];
    if (typeof path !== "string") continue; // a source made by an executable: no folder to run from
    for (const destination of Object.values(section(asset, "destinations", file))) {
      if (isObject(destination) && typeof destination["objectKey"] === "string") {
        found.push([destination["objectKey"], resolve(folder, path)]);
      }
    }
  }
  return found;
};

/**
 * The stacks of an assembly, nested assemblies (CDK stages) included.
 * Throws when the folder is not an assembly or holds no stack.
 */
export const loadAssembly = (folder: string): Stack[] => {
  const stacks = readFolder(resolve(folder));
  if (stacks.length === 0) throw new Error(`the cloud assembly ${folder} holds no stack`);
  return stacks;
};

const readFolder = (folder: string): Stack[] => {
  const manifestFile = join(folder, "manifest.json");
  if (!existsSync(manifestFile)) throw new Error(`${folder} is not a cloud assembly: no manifest.json`);
  const artifacts = section(readJson(manifestFile), "artifacts", manifestFile);
  const assets = new Map<string, string>();
  const templates: [string, string][] = [];
  const nested: Stack[] = [];
  for (const [id, artifact] of Object.entries(artifacts)) {
    if (!isObject(artifact)) continue;
    const properties = section(artifact, "properties", `${manifestFile}: ${id}`);
    if (artifact["type"] === "cdk:asset-manifest") {
      for (const [key, path] of readAssets(folder, textOf(properties["file"]))) assets.set(key, path);
    } else if (artifact["type"] === "aws:cloudformation:stack") {
      const name = properties["stackName"] ?? id;
      templates.push([textOf(name), textOf(properties["templateFile"])]);
    } else if (artifact["type"] === "cdk:cloud-assembly") {
      nested.push(...readFolder(join(folder, textOf(properties["directoryName"]))));
    }
  }
  const own = templates.map(([name, file]) => ({ name, template: readJson(join(folder, file)), assets }));
  return [...own, ...nested];
};
