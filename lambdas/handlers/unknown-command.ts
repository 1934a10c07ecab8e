/** `$default`: whatever names no route. It serves no command, so each request is told what is wrong with it, [CON9]. */
import middy from "@middy/core";
import { commandHandler } from "../commands/command-handler.ts";

export const handler = middy(commandHandler({}, Date.now));
