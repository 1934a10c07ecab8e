/**
 * Who may import whom (docs/adr/0001): protocol <- everything; lambdas import protocol only; lib reaches
 * handlers by path; local knows the template and the built assets alone; no cycles.
 */
const ours = "^(bin|lib|lambdas|protocol|local|bench|ops|sdk|test)/";
const only = (name, from, allowed) => ({
  name,
  severity: "error",
  from: { path: `^${from}/` },
  to: { path: ours, pathNot: `^(${[from, ...allowed].join("|")})/` },
});

export default {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-unresolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true, dependencyTypesNot: ["type-only"] },
    },
    only("protocol-imports-nothing-of-ours", "protocol", []),
    only("lambdas-import-protocol-only", "lambdas", ["protocol"]),
    only("lib-reaches-handlers-by-path", "lib", ["protocol"]),
    only("bin-composes-lib", "bin", ["lib"]),
    only("local-knows-the-template-alone", "local", []),
    only("ops-knows-the-outputs-alone", "ops", []),
    {
      name: "protocol-runs-anywhere",
      severity: "error",
      from: { path: "^protocol/" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "only-stores-speak-dynamodb",
      severity: "error",
      from: { path: "^lambdas/", pathNot: "^lambdas/(stores|aws)/" },
      to: { path: "client-dynamodb" },
    },
    {
      name: "no-test-code-in-the-product",
      severity: "error",
      from: { path: "^(bin|lib|lambdas|protocol|local|ops)/" },
      to: { path: "^(test|bench)/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      extensions: [".ts", ".mjs", ".js", ".d.ts"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
    },
  },
};
