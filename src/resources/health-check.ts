import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { connect } from "node:net";
import { MusterError } from "../model/errors.ts";

/** Result of one question to a program: null = it answered well, else what was wrong. */
export type CheckResult = string | null;

/** Servers answer what they cannot do with 500 and above; below, the program is at least there and thinking. */
const HTTP_STATUS_BAD = 500;

/**
 * Checks the form of a HealthCheckUrl.
 * @throws MusterError MUSTER_INVALID_ARGUMENT
 */
export function parseHealthCheckUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !["http:", "https:", "tcp:"].includes(url.protocol) || url.hostname === "") throw invalid(`'${text}' is not http://…, https://… or tcp://ADDRESS:PORT`);
  if (url.protocol === "tcp:" && url.port === "") throw invalid(`'${text}' names no port`);
  return url;
}

/** Asks once. Never rejects; takes at most `limitMs`. */
export function checkUrl(url: URL, limitMs: number, signal: AbortSignal): Promise<CheckResult> {
  return url.protocol === "tcp:" ? checkTcp(url, limitMs, signal) : checkHttp(url, limitMs, signal);
}

function checkTcp(url: URL, limitMs: number, signal: AbortSignal): Promise<CheckResult> {
  return new Promise((resolve) => {
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port) });
    const finish = bounded(limitMs, `${url.href} did not accept a connection within ${limitMs} ms`, signal, (result) => {
      socket.destroy();
      resolve(result);
    });
    socket.once("connect", () => finish(null));
    socket.on("error", (error) => finish(`${url.href}: ${error.message}`));
  });
}

function checkHttp(url: URL, limitMs: number, signal: AbortSignal): Promise<CheckResult> {
  return new Promise((resolve) => {
    // Health, not identity, is asked for: the certificate is the clients' business. No connection is kept.
    const options = { agent: false as const, headers: { "user-agent": "muster-health-check", connection: "close" }, rejectUnauthorized: false };
    const request = url.protocol === "https:" ? requestHttps(url, options) : requestHttp(url, options);
    const finish = bounded(limitMs, `${url.href} did not answer within ${limitMs} ms`, signal, (result) => {
      request.destroy();
      resolve(result);
    });
    request.once("response", (response) => {
      const status = response.statusCode ?? 0;
      finish(status < HTTP_STATUS_BAD ? null : `${url.href} answered with status ${status}`);
    });
    request.on("error", (error) => finish(`${url.href}: ${error.message}`));
    request.end();
  });
}

/**
 * Calls `done` once: with the result that is given to the returned function, or when the time is up, or when the
 * check is given up. The signal lives as long as the resource: nothing may stay attached to it.
 */
function bounded(limitMs: number, onTimeout: string, signal: AbortSignal, done: (result: CheckResult) => void): (result: CheckResult) => void {
  let open = true;
  const finish = (result: CheckResult): void => {
    if (!open) return;
    open = false;
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
    done(result);
  };
  const giveUp = (): void => finish("the check was aborted");
  const timer = setTimeout(() => finish(onTimeout), limitMs);
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  return finish;
}

function invalid(problem: string): MusterError {
  return new MusterError("MUSTER_INVALID_ARGUMENT", { field: "HealthCheckUrl", problem });
}
