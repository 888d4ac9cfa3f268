import { createServer } from "node:http";
import { hostname } from "node:os";

/**
 * The program of the role, the same for every contender: a small HTTP server that says who answers.
 * PORT
 */
const [port = ""] = process.argv.slice(2);
const answer = `${hostname()} ${process.pid}`;

createServer((_, response) => response.end(answer)).listen(Number(port), "0.0.0.0");
