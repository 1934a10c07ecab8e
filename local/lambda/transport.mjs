/**
 * Takes a function's calls to the platform's own services out of HTTP: inside the worker, `http.request` for that
 * host and port hands the request to the platform by a MessagePort and gives back its answer as an HTTP response.
 * The bundle does not know: it runs as it runs on AWS, to its SDK these are the requests and responses of
 * `node:http`, with their timeouts, aborts and errors. What it cannot carry goes over the socket as before:
 * other hosts, S3 (bodies of any size), and requests that are unsigned or ask for more of HTTP.
 *
 * Plain JavaScript like all that runs in a worker. The messages are described in `contracts.ts`.
 */
import { EventEmitter } from "node:events";
import http from "node:http";
import { syncBuiltinESMExports } from "node:module";
import { Writable } from "node:stream";

/** The services whose requests and answers are whole. */
const signedForService =
  /Credential=[A-Za-z0-9]+\/\d{8}\/[a-z0-9-]+\/(?:dynamodb|sqs|execute-api)\/aws4_request/;

/**
 * From now on; the modules that are loaded later see it under all names of `node:http`.
 * @param {{ host: string, port: number, calls: import("node:worker_threads").MessagePort }} transport
 */
export function installTransport({ host, port, calls }) {
  const line = new Line(calls);
  const { request } = http;
  http.request = (...args) => {
    const [options, onResponse] = args;
    if (typeof options !== "object" || options === null || options instanceof URL) return request(...args);
    if (Number(options.port) !== port || (options.hostname ?? options.host) !== host) return request(...args);
    const call = callOf(options);
    return call === undefined ? request(...args) : new PlatformRequest(line, call, onResponse);
  };
  http.get = (...args) => {
    const made = http.request(...args);
    made.end();
    return made;
  };
  syncBuiltinESMExports();
}

/** What of the request crosses; undefined when it must go over the socket. */
function callOf(options) {
  const { headers, method = "GET", path = "/" } = options;
  if (options.createConnection !== undefined || options.socketPath !== undefined || options.auth)
    return undefined;
  if (options.signal !== undefined || options.timeout !== undefined) return undefined;
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) return undefined;
  let authorization;
  let target;
  for (const name in headers) {
    switch (name.toLowerCase()) {
      case "authorization":
        authorization = headers[name];
        break;
      case "x-amz-target":
        target = headers[name];
        break;
      case "expect":
      case "upgrade":
        return undefined;
      default:
    }
  }
  if (typeof authorization !== "string" || !signedForService.test(authorization)) return undefined;
  return {
    method: method.toUpperCase(),
    path,
    authorization,
    target: target === undefined ? undefined : String(target),
  };
}

/** The requests of this thread that are on their way; while there are any, they keep the event loop alive. */
class Line {
  #calls;
  #lastId = 0;
  #open = 0;
  #waiting = new Map();

  constructor(calls) {
    this.#calls = calls;
    calls.on("message", ([id, status, headers, body]) => {
      const request = this.#waiting.get(id);
      if (request === undefined) return;
      this.#waiting.delete(id);
      request._answer(status, headers, body);
    });
    calls.unref();
  }

  open() {
    this.#open += 1;
    if (this.#open === 1) this.#calls.ref();
  }

  close() {
    this.#open -= 1;
    if (this.#open === 0) this.#calls.unref();
  }

  send(request, { method, path, authorization, target }, body) {
    this.#lastId += 1;
    this.#waiting.set(this.#lastId, request);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
    this.#calls.postMessage([this.#lastId, method, path, authorization, target, body]);
    return this.#lastId;
  }

  abandon(id) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window
    if (this.#waiting.delete(id)) this.#calls.postMessage(id);
  }
}

/** As much of a socket as callers of `node:http` touch: it is connected, and may tell when nothing came for long. */
class PlatformSocket extends EventEmitter {
  connecting = false;
  destroyed = false;
  readable = true;
  writable = true;
  encrypted = false;
  remoteAddress = "127.0.0.1";
  #request;
  #timer;

  constructor(request) {
    super();
    this.#request = request;
  }

  setTimeout(ms, callback) {
    clearTimeout(this.#timer);
    if (callback !== undefined) this.once("timeout", callback);
    if (ms > 0) this.#timer = setTimeout(() => this.emit("timeout"), ms).unref();
    return this;
  }

  setKeepAlive() {
    return this;
  }

  setNoDelay() {
    return this;
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }

  destroy(error) {
    this.destroyed = true;
    clearTimeout(this.#timer);
    this.#request.destroy(error);
    return this;
  }

  /** The request has ended one way or the other. */
  _end() {
    clearTimeout(this.#timer);
  }
}

/** Stands for a ClientRequest. */
class PlatformRequest extends Writable {
  aborted = false;
  reusedSocket = true;
  headersSent = true;
  maxHeadersCount = null;
  protocol = "http:";
  res = null;
  #line;
  #call;
  #chunks = [];
  #id;
  #socket;
  #isOpen = true;

  constructor(line, call, onResponse) {
    super({ decodeStrings: false, autoDestroy: false });
    this.#line = line;
    this.#call = call;
    line.open();
    if (onResponse !== undefined) this.once("response", onResponse);
    process.nextTick(() => {
      if (!this.destroyed && this.listenerCount("socket") > 0) this.emit("socket", this.socket);
    });
  }

  get method() {
    return this.#call.method;
  }

  get path() {
    return this.#call.path;
  }

  get socket() {
    this.#socket ??= new PlatformSocket(this);
    return this.#socket;
  }

  get connection() {
    return this.socket;
  }

  setTimeout(ms, callback) {
    if (callback !== undefined) this.once("timeout", callback);
    this.socket.setTimeout(ms);
    this.socket.once("timeout", () => this.emit("timeout"));
    return this;
  }

  setNoDelay() {}

  setSocketKeepAlive() {}

  flushHeaders() {}

  abort() {
    if (this.aborted) return;
    this.aborted = true;
    process.nextTick(() => this.emit("abort"));
    this.destroy();
  }

  _write(chunk, encoding, done) {
    // A copy: the caller may use its buffer again.
    this.#chunks.push(
      typeof chunk !== "string"
        ? new Uint8Array(chunk)
        : isUtf8(encoding)
          ? chunk
          : new Uint8Array(Buffer.from(chunk, encoding)),
    );
    done();
  }

  _final(done) {
    this.#id = this.#line.send(this, this.#call, wholeOf(this.#chunks));
    this.#chunks = [];
    done();
  }

  _destroy(error, done) {
    if (this.#id !== undefined) this.#line.abandon(this.#id);
    // As a ClientRequest says of a socket that went before its answer came.
    const hungUp = this.res === null && error === null;
    this.#leave();
    done(hungUp ? Object.assign(new Error("socket hang up"), { code: "ECONNRESET" }) : error);
  }

  /** Called by the line. */
  _answer(status, headers, body) {
    if (this.destroyed) return;
    const response = new PlatformResponse(this, status, headers, body);
    this.res = response;
    response.once("close", () => this.destroy());
    if (!this.emit("response", response)) response.resume();
    this.#leave();
  }

  #leave() {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#line.close();
    this.#socket?._end();
  }
}

class PlatformResponse extends http.IncomingMessage {
  #body;

  constructor(request, status, headers, body) {
    super(request.socket);
    this.#body = body;
    this.req = request;
    this.httpVersion = "1.1";
    this.httpVersionMajor = 1;
    this.httpVersionMinor = 1;
    this.statusCode = status;
    this.statusMessage = http.STATUS_CODES[status] ?? "";
    this.headers = headers;
    this.rawHeaders = Object.entries(headers).flat();
  }

  _read() {
    this.complete = true;
    if (this.#body !== "") this.push(Buffer.from(this.#body));
    this.push(null);
  }

  _destroy(error, done) {
    done(error);
  }
}

const isUtf8 = (encoding) => encoding === undefined || encoding === "utf8" || encoding === "utf-8";

/** The whole body; text as it would arrive, where half of a surrogate pair has no form. */
function wholeOf(chunks) {
  if (chunks.length === 0) return "";
  if (chunks.length === 1) return typeof chunks[0] === "string" ? chunks[0].toWellFormed() : chunks[0];
  return new Uint8Array(Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))));
}
