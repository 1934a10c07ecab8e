import { redrive } from "./redrive-command.ts";

process.exitCode = await redrive(process.argv.slice(2), {
  out: (text) => process.stdout.write(`${text}\n`),
  error: (text) => process.stderr.write(`${text}\n`),
});
