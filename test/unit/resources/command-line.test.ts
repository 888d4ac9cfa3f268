import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";
import { parseCommandLine, quoteCommandLine } from "../../../src/model/command-line.ts";

/** A small seeded generator, so that a failure can be repeated. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const ALPHABET = ["a", "b", "Z", "0", " ", "\t", "\n", "'", '"', "\\", "$", "`", "*", "?", "~", "#", "&", "|", ";", "<", ">", "(", ")", "{", "=", "%", "-", "é", "漢", "🙂"];

describe("command lines", () => {
  test("words, quotes and backslashes are read as a shell reads them", () => {
    const cases: [string, string[]][] = [
      ["", []],
      ["   \t\n ", []],
      ["python3 -m http.server", ["python3", "-m", "http.server"]],
      ["  a   b  ", ["a", "b"]],
      [`echo 'one word' "two words"`, ["echo", "one word", "two words"]],
      [`a'b'"c"d`, ["abcd"]],
      [`'' ""`, ["", ""]],
      [`a\\ b \\"c`, ["a b", '"c']],
      [`"a \\"b\\" \\$c \\\\ \\n"`, ['a "b" $c \\ \\n']],
      [`'a\\b'`, ["a\\b"]],
      ["a\\\nb", ["ab"]],
      ["$HOME *.txt ~ `date` $(x)", ["$HOME", "*.txt", "~", "`date`", "$(x)"]],
      ["a#b # c", ["a#b", "#", "c"]],
    ];
    for (const [line, words] of cases) assert.deepEqual(parseCommandLine(line), words, JSON.stringify(line));
  });

  test("what cannot be read is named", () => {
    assert.throws(() => parseCommandLine("a 'b"), { code: "MUSTER_INVALID_ARGUMENT", message: "CommandLine: the quote ' at character 3 is not closed" });
    assert.throws(() => parseCommandLine('a "b', "HealthCheckCommand"), { message: 'HealthCheckCommand: the quote " at character 3 is not closed' });
    assert.throws(() => parseCommandLine("a\\"), { message: "CommandLine: it ends with a backslash" });
    assert.throws(() => parseCommandLine("a\0b"), { message: "CommandLine: it holds a NUL character" });
  });

  test("quoting is the inverse, for 5000 random lists of words", () => {
    const random = randomNumbers(20260101);
    for (let round = 0; round < 5000; round++) {
      const words = Array.from({ length: random(6) }, () => Array.from({ length: random(8) }, () => ALPHABET[random(ALPHABET.length)]).join(""));
      assert.deepEqual(parseCommandLine(quoteCommandLine(words)), words, JSON.stringify(words));
    }
  });

  test("parsing never fails in another way than with its error, for 5000 random lines", () => {
    const random = randomNumbers(7);
    for (let round = 0; round < 5000; round++) {
      const line = Array.from({ length: random(20) }, () => ALPHABET[random(ALPHABET.length)]).join("");
      try {
        assert.ok(parseCommandLine(line).every((word) => typeof word === "string"));
      } catch (error) {
        assert.equal((error as { code?: string }).code, "MUSTER_INVALID_ARGUMENT", JSON.stringify(line));
      }
    }
  });

  test("a real shell reads quoted words the same way", () => {
    const random = randomNumbers(99);
    const words = Array.from({ length: 60 }, () => Array.from({ length: 1 + random(8) }, () => ALPHABET[random(ALPHABET.length)]).join(""));
    const printed = execFileSync("sh", ["-c", `printf '%s\\0' ${quoteCommandLine(words)}`], { encoding: "utf8" });
    assert.deepEqual(printed.split("\0").slice(0, -1), words);
  });
});
