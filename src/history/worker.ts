import { parentPort, workerData } from "node:worker_threads";
import { MusterError } from "../model/errors.ts";
import type { Answer, FromWorker, Question, ToWorker, WorkerOptions } from "./messages.ts";
import { HistoryFile } from "./file.ts";

/** The history thread: the only one that touches the file, so that nothing of the cluster waits for it. */

if (parentPort === null) throw new Error("this file is the history thread");
const port = parentPort;
const send = (message: FromWorker): void => port.postMessage(message);

try {
  const { path, limits } = workerData as WorkerOptions;
  const file = new HistoryFile(path, limits);
  send({ type: "opened" });
  port.on("message", (message: ToWorker) => handle(file, message));
} catch (error) {
  send({ type: "failed", number: null, error: MusterError.from(error).toBody() });
  port.close();
}

function handle(file: HistoryFile, message: ToWorker): void {
  try {
    switch (message.type) {
      case "record":
        file.record(message.entries, message.snapshot);
        return send({ type: "recorded", count: message.entries.length });
      case "ask":
        return send({ type: "answer", number: message.number, answer: answer(file, message.question) });
      case "close":
        file.close();
        send({ type: "closed" });
        port.close();
    }
  } catch (error) {
    send({ type: "failed", number: message.type === "ask" ? message.number : null, error: MusterError.from(error).toBody() });
    if (message.type === "close") port.close();
  }
}

function answer(file: HistoryFile, question: Question): Answer {
  switch (question.what) {
    case "list":
      return file.list(question.query);
    case "find":
      return file.find(question.id);
    case "replayable":
      return file.replayable(question.atMs);
  }
}
