import { MusterError } from "../model/errors.ts";
import type { DatabaseOperation } from "../model/inputs.ts";
import type { DatabaseValue } from "../model/objects.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import { BATCH_OPERATIONS_MAX, KEYS_MAX, KEY_LENGTH_MAX, VALUE_LENGTH_MAX } from "./limits.ts";
import { compareText } from "./order.ts";
import { invalid, requireBag, requireText } from "./resolve.ts";
import type { ClusterState } from "./state.ts";

/** Batches on the free part of the Cluster Database (reference 1.4, 5.2.4): all of it or nothing. */
export function configureBatch({ state }: Configuring, command: CommandOf<"database.batch">): Reaction {
  const operations: unknown = command.operations;
  if (!Array.isArray(operations)) throw invalid("operations", "a list of operations is required");
  if (operations.length > BATCH_OPERATIONS_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of operations in a batch", limit: BATCH_OPERATIONS_MAX });
  for (const [position, value] of (operations as unknown[]).entries()) {
    const field = `operations[${position + 1}]`;
    const operation = requireBag(value, field) as unknown as DatabaseOperation;
    checkKey(operation.key, `${field}.key`);
    apply(state, operation, position + 1, field);
  }
  return () => null;
}

/** Earlier operations of the batch are seen by later ones. */
function apply(state: ClusterState, operation: DatabaseOperation, number: number, field: string): void {
  const { keys } = state.tables;
  const found = keys.get(operation.key);
  const condition = (holds: boolean): void => {
    if (!holds) throw new MusterError("MUSTER_CONDITION_FAILED", { number, operation: operation.operation, key: operation.key });
  };
  switch (operation.operation) {
    case "set":
      checkValue(operation.value, `${field}.value`);
      if (found === undefined && keys.size >= KEYS_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of keys", limit: KEYS_MAX });
      keys.put(operation.key, { type: operation.value.type, value: operation.value.value });
      return;
    case "delete":
      keys.remove(operation.key);
      return;
    case "exists":
      return condition(found !== undefined);
    case "notExists":
      return condition(found === undefined);
    case "equal":
    case "notEqual":
    case "greater":
    case "less": {
      checkValue(operation.value, `${field}.value`);
      const order = found === undefined || found.type !== operation.value.type ? null : compareValues(found, operation.value);
      switch (operation.operation) {
        case "equal":
          return condition(order === 0);
        case "notEqual":
          return condition(order !== 0);
        case "greater":
          return condition(order !== null && order > 0);
        default:
          return condition(order !== null && order < 0);
      }
    }
    default:
      throw invalid(`${field}.operation`, `'${String((operation as { operation?: unknown }).operation)}' is not an operation of a batch`);
  }
}

/** The stored value against the one given: numbers by size, all else by code units. */
function compareValues(stored: DatabaseValue, given: DatabaseValue): number {
  if (typeof stored.value === "number" && typeof given.value === "number") return stored.value - given.value;
  if (typeof stored.value === "string" && typeof given.value === "string") return compareText(stored.value, given.value);
  return compareText(JSON.stringify(stored.value), JSON.stringify(given.value));
}

function checkKey(value: unknown, field: string): void {
  const key = requireText(value, field);
  if (key.length === 0 || key.length > KEY_LENGTH_MAX) throw invalid(field, `a key has 1 to ${KEY_LENGTH_MAX} characters`);
}

function checkValue(value: unknown, field: string): void {
  const given = requireBag(value, field) as unknown as DatabaseValue;
  const fits =
    (given.type === "string" && typeof given.value === "string") ||
    (given.type === "binary" && typeof given.value === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(given.value) && given.value.length % 4 === 0) ||
    (given.type === "number" && Number.isSafeInteger(given.value)) ||
    (given.type === "multiString" && Array.isArray(given.value) && given.value.every((item) => typeof item === "string"));
  if (!fits) throw invalid(field, "a type (string, number, binary, multiString) with a value of it is required: whole numbers, binary as base64");
  if (JSON.stringify(given.value).length > VALUE_LENGTH_MAX) throw new MusterError("MUSTER_LIMIT", { what: `${field}: the length of a value`, limit: VALUE_LENGTH_MAX });
}
