import { MusterError } from "../model/errors.ts";
import type { ErrorCode, ErrorDetails } from "../model/errors.ts";

/** An error of the lab: the code (and so the exit code) of the catalogue with the nearest meaning, in the words of the lab. */
export class LabError extends MusterError {
  readonly #next: string;

  constructor(code: ErrorCode, message: string, next: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(code, details, options);
    this.message = message;
    this.#next = next;
  }

  override get next(): string {
    return this.#next;
  }
}

export function labNotFound(name: string): LabError {
  return new LabError("MUSTER_NODE_NOT_FOUND", `There is no lab named '${name}'.`, "Labs: muster lab list; make one: muster lab up", { name });
}

export function labExists(name: string): LabError {
  return new LabError("MUSTER_NAME_IN_USE", `There is a lab named '${name}' already.`, `Take it down with 'muster lab down --name ${name}', or choose another name with --name.`, { field: "--name", name });
}

export function hostNotFound(name: string, known: readonly string[]): LabError {
  return new LabError("MUSTER_NODE_NOT_FOUND", `There is no host named '${name}' in the lab.`, `Hosts: ${known.join(", ")}.`, { name });
}

export function networkNotFound(name: string, known: readonly string[]): LabError {
  return new LabError("MUSTER_NETWORK_NOT_FOUND", `There is no network named '${name}' here.`, `Networks: ${known.join(", ")}.`, { name });
}

export function hostIsOff(lab: string, host: string): LabError {
  return new LabError("MUSTER_NODE_NOT_AVAILABLE", `The host '${host}' is off.`, `Switch it on: muster lab power-on ${host} --name ${lab}`, { node: host });
}

export function hostIsOn(lab: string, host: string): LabError {
  return new LabError("MUSTER_NODE_NOT_AVAILABLE", `The host '${host}' is on already.`, `Nothing to do; to start it afresh, first: muster lab power-off ${host} --name ${lab}`, { node: host });
}

export function switchIsGone(lab: string): LabError {
  return new LabError("MUSTER_NODE_NOT_AVAILABLE", `The switch of the lab '${lab}' is gone: its process was killed, or the machine was restarted.`, `Take down what is left: muster lab down --name ${lab}`, { node: lab });
}

export function invalid(field: string, problem: string): MusterError {
  return new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem });
}
