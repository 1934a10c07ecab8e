import { describe, expect, test } from "vitest";
import { type CloudFormationTemplate, dev, prod, readable } from "./template.ts";

/**
 * The template as a page to read: intrinsics as texts, logical ids whole (another id is another table), and
 * without what changes with the code of a handler or the version of the CDK.
 */
function page({ Parameters, Resources, Outputs }: CloudFormationTemplate): string {
  const { BootstrapVersion: _, ...parameters } = Parameters;
  const resources = Object.entries(Resources).map(([id, resource]) => {
    const { Metadata: _, ...rest } = resource as unknown as Record<string, unknown>;
    return [id, rest] as const;
  });
  const whole = { Parameters: parameters, Resources: Object.fromEntries(resources), Outputs };
  const text = JSON.stringify(
    readable(whole, (id) => id),
    undefined,
    2,
  );
  return `${text.replaceAll(/"[0-9a-f]{64}\.zip"/g, '"<asset>.zip"')}\n`;
}

describe("the template, whole", () => {
  test("of dev is the one that was reviewed", async () => {
    await expect(page(dev)).toMatchFileSnapshot("__snapshots__/dev.json");
  });

  test("of prod is the one that was reviewed", async () => {
    await expect(page(prod)).toMatchFileSnapshot("__snapshots__/prod.json");
  });
});
