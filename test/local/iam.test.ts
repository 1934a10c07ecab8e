import { describe, expect, test } from "vitest";
import { AwsFault, type JsonObject, type NeededPermission } from "../../local/contracts.ts";
import { createAuthorizer, type DeniedLine } from "../../local/iam/authorizer.ts";
import { mayInvoke, readLambdaPermission } from "../../local/iam/lambda-permission.ts";

const TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/Messages";
const QUEUE = "arn:aws:sqs:eu-west-1:123456789012:jobs";

const policy = (...Statement: JsonObject[]): JsonObject => ({ Version: "2012-10-17", Statement });
const allow = (
  Action: string | string[],
  Resource: string | string[],
  Condition?: JsonObject,
): JsonObject => ({
  Effect: "Allow",
  Action,
  Resource,
  ...(Condition === undefined ? {} : { Condition }),
});

function roleWith(...documents: JsonObject[]) {
  const denied: DeniedLine[] = [];
  const authorizer = createAuthorizer(new Map([["sender", documents]]), (line) => denied.push(line));
  const may = (action: string, resource: string, context?: NeededPermission["context"]): boolean => {
    try {
      authorizer.authorize("sender", [{ action, resource, ...(context === undefined ? {} : { context }) }]);
      return true;
    } catch (error) {
      if (error instanceof AwsFault && error.code === "AccessDeniedException") return false;
      throw error;
    }
  };
  return { authorizer, may, denied };
}

describe("authorizer: statements", () => {
  test("what a statement names is allowed, all else is not", () => {
    const { may } = roleWith(
      policy(allow(["dynamodb:PutItem", "dynamodb:Query"], [TABLE, `${TABLE}/index/*`])),
    );
    expect(may("dynamodb:PutItem", TABLE)).toBe(true);
    expect(may("dynamodb:Query", `${TABLE}/index/byUser`)).toBe(true);
    expect(may("dynamodb:DeleteItem", TABLE)).toBe(false);
    expect(may("dynamodb:PutItem", `${TABLE}2`)).toBe(false);
  });

  test("wildcards: * spans, ? is one character, and a dot is a dot", () => {
    const { may } = roleWith(policy(allow("dynamodb:Get*", "arn:aws:dynamodb:*:*:table/M?ssages.v1")));
    const table = (name: string) => `arn:aws:dynamodb:eu-west-1:1:table/${name}`;
    expect(may("dynamodb:GetItem", table("Messages.v1"))).toBe(true);
    expect(may("dynamodb:GetItem", table("Mssages.v1"))).toBe(false);
    expect(may("dynamodb:GetItem", table("Messages-v1"))).toBe(false);
    expect(may("dynamodb:GetItem", table("Messages.v12"))).toBe(false);
    expect(may("dynamodb:BatchGetItem", table("Messages.v1"))).toBe(false);
  });

  test("actions ignore case, resources do not", () => {
    const { may } = roleWith(policy(allow("DynamoDB:putitem", TABLE)));
    expect(may("dynamodb:PutItem", TABLE)).toBe(true);
    expect(may("dynamodb:PutItem", TABLE.toLowerCase())).toBe(false);
  });

  test("NotAction and NotResource cover what they do not name", () => {
    const { may } = roleWith(policy({ Effect: "Allow", NotAction: "dynamodb:Delete*", NotResource: QUEUE }));
    expect(may("dynamodb:PutItem", TABLE)).toBe(true);
    expect(may("dynamodb:DeleteItem", TABLE)).toBe(false);
    expect(may("sqs:SendMessage", QUEUE)).toBe(false);
  });

  test("an explicit deny wins over any allow, in whichever policy", () => {
    const deny = { Effect: "Deny", Action: "dynamodb:DeleteItem", Resource: "*" };
    const { may, denied } = roleWith(policy(allow("*", "*")), policy(deny));
    expect(may("dynamodb:PutItem", TABLE)).toBe(true);
    expect(may("dynamodb:DeleteItem", TABLE)).toBe(false);
    expect(denied[0]?.deniedBy).toEqual(deny);
  });

  test("a single statement need not be a list, and a role without policies may do nothing", () => {
    const { may } = roleWith({ Version: "2012-10-17", Statement: allow("sqs:*", QUEUE) });
    expect(may("sqs:SendMessage", QUEUE)).toBe(true);
    expect(roleWith().may("sqs:SendMessage", QUEUE)).toBe(false);
  });
});

describe("authorizer: denials", () => {
  test("a denial is AWS's error and logs the statement that is missing", () => {
    const { authorizer, denied } = roleWith(policy(allow("dynamodb:GetItem", TABLE)));
    const call = () => authorizer.authorize("sender", [{ action: "dynamodb:PutItem", resource: TABLE }]);
    expect(call).toThrow(
      expect.objectContaining({
        code: "AccessDeniedException",
        statusCode: 400,
        message:
          "User: arn:aws:sts::123456789012:assumed-role/sender/local is not authorized to perform: " +
          `dynamodb:PutItem on resource: ${TABLE} because no identity-based policy allows the dynamodb:PutItem action`,
      }),
    );
    expect(denied).toEqual([
      {
        role: "sender",
        action: "dynamodb:PutItem",
        resource: TABLE,
        missing: { Effect: "Allow", Action: "dynamodb:PutItem", Resource: TABLE },
      },
    ]);
  });

  test("adding the missing statement lets the call through", () => {
    const { may, denied } = roleWith();
    expect(may("dynamodb:PutItem", TABLE)).toBe(false);
    expect(roleWith(policy(denied[0]?.missing ?? {})).may("dynamodb:PutItem", TABLE)).toBe(true);
  });

  test("a call of several parts needs them all, and each missing part is logged", () => {
    const { authorizer, denied } = roleWith(policy(allow("dynamodb:PutItem", TABLE)));
    const parts = ["dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:DeleteItem"].map((action) => ({
      action,
      resource: TABLE,
    }));
    expect(() => authorizer.authorize("sender", parts)).toThrow(/dynamodb:UpdateItem/);
    expect(denied.map((line) => line.action)).toEqual(["dynamodb:UpdateItem", "dynamodb:DeleteItem"]);
    authorizer.authorize("sender", [parts[1] ?? { action: "", resource: "" }]);
  });

  test("an unknown role is denied", () => {
    const { authorizer } = roleWith(policy(allow("*", "*")));
    expect(() => authorizer.authorize("nobody", [{ action: "sqs:SendMessage", resource: QUEUE }])).toThrow(
      /assumed-role\/nobody\//,
    );
  });
});

describe("authorizer: conditions", () => {
  const keys = (...values: string[]) => ({ "dynamodb:LeadingKeys": values });
  const limited = (operator: string, value: JsonObject[string]) =>
    roleWith(policy(allow("dynamodb:PutItem", TABLE, { [operator]: { "dynamodb:LeadingKeys": value } })));

  test.each<[string, string, JsonObject[string], string[], boolean]>([
    ["ForAllValues, all match", "ForAllValues:StringEquals", ["a", "b"], ["a", "b", "a"], true],
    ["ForAllValues, one does not", "ForAllValues:StringEquals", ["a", "b"], ["a", "c"], false],
    ["ForAllValues, no key", "ForAllValues:StringEquals", "a", [], true],
    ["ForAnyValue, one matches", "ForAnyValue:StringLike", "user#*", ["chat#1", "user#1"], true],
    ["ForAnyValue, no key", "ForAnyValue:StringLike", "*", [], false],
    ["StringEquals takes no wildcard", "StringEquals", "a*", ["ab"], false],
    ["StringLike", "StringLike", "a*", ["ab"], true],
    ["StringLike, no key", "StringLike", "*", [], false],
    ["StringLikeIfExists, no key", "StringLikeIfExists", "a*", [], true],
    ["StringLikeIfExists, another value", "StringLikeIfExists", "a*", ["b"], false],
    ["StringNotEquals", "StringNotEquals", ["a", "b"], ["c"], true],
    ["StringNotEquals, one of them", "StringNotEquals", ["a", "b"], ["b"], false],
    ["StringNotEquals, no key", "StringNotEquals", "a", [], true],
    ["several values without a set operator", "StringEquals", "a", ["a", "a"], false],
    ["Bool", "Bool", true, ["true"], true],
    ["Bool, the other", "Bool", "false", ["true"], false],
    ["Numeric", "NumericLessThanEquals", "10", ["9"], true],
    ["Numeric compares numbers", "NumericGreaterThan", "10", ["9"], false],
    ["ArnLike", "ArnLike", "arn:aws:sns:*:*:topic-*", ["arn:aws:sns:eu-west-1:1:topic-a"], true],
    [
      "ArnLike does not span components",
      "ArnLike",
      "arn:aws:*:topic",
      ["arn:aws:sns:eu-west-1:1:topic"],
      false,
    ],
    ["Null", "Null", "true", [], true],
    ["Null, present", "Null", "true", ["a"], false],
  ])("%s", (_title, operator, value, given, expected) => {
    expect(limited(operator, value).may("dynamodb:PutItem", TABLE, keys(...given))).toBe(expected);
  });

  test("a verdict with a condition is taken anew for each call", () => {
    const { may } = limited("ForAllValues:StringEquals", "a");
    expect(may("dynamodb:PutItem", TABLE, keys("a"))).toBe(true);
    expect(may("dynamodb:PutItem", TABLE, keys("b"))).toBe(false);
    expect(may("dynamodb:PutItem", TABLE, keys("a"))).toBe(true);
  });

  test("condition keys ignore case, and all conditions must hold", () => {
    const { may } = roleWith(
      policy(
        allow("dynamodb:PutItem", TABLE, {
          StringEquals: { "DynamoDB:leadingkeys": "a" },
          Bool: { "aws:SecureTransport": "true" },
        }),
      ),
    );
    expect(may("dynamodb:PutItem", TABLE, { ...keys("a"), "aws:SecureTransport": ["true"] })).toBe(true);
    expect(may("dynamodb:PutItem", TABLE, keys("a"))).toBe(false);
  });
});

describe("authorizer: what it does not know it refuses by name", () => {
  test.each<[string, JsonObject, RegExp]>([
    [
      "a statement element",
      policy({ ...allow("*", "*"), Principal: "*" }),
      /role sender.*Principal is not supported/,
    ],
    ["a document element", { ...policy(), Foo: 1 }, /policy element Foo is not supported/],
    ["a version", { Version: "2008-10-17", Statement: [] }, /version "2008-10-17"/],
    ["an operator", policy(allow("*", "*", { DateLessThan: { "aws:CurrentTime": "2026" } })), /DateLessThan/],
    [
      "an inherited name as operator",
      policy(allow("*", "*", { constructor: { a: "b" } })),
      /operator constructor/,
    ],
    ["a policy variable", policy(allow("*", "arn:aws:s3:::b/${aws:username}")), /policy variables/],
    [
      "an unresolved intrinsic",
      policy({ ...allow("*", "*"), Resource: { Ref: "T" } }),
      /unresolved value.*Ref/,
    ],
    ["an ill-formed action", policy(allow("PutItem", "*")), /"PutItem" is not service:action/],
    ["a bare resource", policy(allow("*", "Messages")), /neither an ARN nor/],
    ["no resource", policy({ Effect: "Allow", Action: "*" }), /either Resource or NotResource/],
    ["an effect", policy({ ...allow("*", "*"), Effect: "allow" }), /Effect must be/],
  ])("%s", (_title, document, message) => {
    expect(() => roleWith(document)).toThrow(message);
  });
});

describe("permissions of a function", () => {
  const permission = readLambdaPermission({
    Action: "lambda:InvokeFunction",
    FunctionName: "arn:aws:lambda:eu-west-1:123456789012:function:send",
    Principal: "apigateway.amazonaws.com",
    SourceArn: "arn:aws:execute-api:eu-west-1:123456789012:api1/*/sendMessage",
  });
  const call = {
    principal: "apigateway.amazonaws.com",
    sourceArn: "arn:aws:execute-api:eu-west-1:123456789012:api1/dev/sendMessage",
    functionName: "send",
  };

  test.each<[string, Partial<typeof call>, boolean]>([
    ["the route and any stage", {}, true],
    ["another route", { sourceArn: call.sourceArn.replace("sendMessage", "sync") }, false],
    ["another api", { sourceArn: call.sourceArn.replace("api1", "api2") }, false],
    ["another principal", { principal: "s3.amazonaws.com" }, false],
    ["another function", { functionName: "sync" }, false],
  ])("%s", (_title, change, expected) => {
    expect(mayInvoke([permission], { ...call, ...change })).toBe(expected);
  });

  test("without permissions nobody may", () => {
    expect(mayInvoke([], call)).toBe(false);
  });

  test("what it does not know is refused by name", () => {
    const base = { Action: "lambda:InvokeFunction", FunctionName: "f", Principal: "x" };
    expect(() => readLambdaPermission({ ...base, FunctionUrlAuthType: "NONE" })).toThrow(
      /FunctionUrlAuthType/,
    );
    expect(() => readLambdaPermission({ ...base, Action: "lambda:GetFunction" })).toThrow(
      /lambda:GetFunction/,
    );
  });
});
