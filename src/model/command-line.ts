import { MusterError } from "../model/errors.ts";

/**
 * Command lines as a shell reads them, without any expansion: words are separated by blanks; '…' is literal;
 * in "…" a backslash escapes " \ $ ` and a line end; elsewhere a backslash makes the next character literal.
 */
export function parseCommandLine(line: string, field = "CommandLine"): string[] {
  const words: string[] = [];
  let word: string | null = null;
  for (let position = 0; position < line.length; position++) {
    const character = line.charAt(position);
    if (character === "\0") throw invalid(field, "it holds a NUL character");
    if (character === "'") {
      const end = line.indexOf("'", position + 1);
      if (end === -1) throw invalid(field, `the quote ' at character ${position + 1} is not closed`);
      word = (word ?? "") + line.slice(position + 1, end);
      position = end;
    } else if (character === '"') {
      const quoted = readDoubleQuoted(line, position, field);
      word = (word ?? "") + quoted.text;
      position = quoted.end;
    } else if (character === "\\") {
      position++;
      if (position === line.length) throw invalid(field, "it ends with a backslash");
      // A backslash before a line end joins the lines.
      if (line.charAt(position) !== "\n") word = (word ?? "") + line.charAt(position);
    } else if (/[ \t\r\n]/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (word !== null) words.push(word);
  return words;
}

function readDoubleQuoted(line: string, start: number, field: string): { text: string; end: number } {
  let text = "";
  for (let position = start + 1; position < line.length; position++) {
    const character = line.charAt(position);
    if (character === '"') return { text, end: position };
    const next = line.charAt(position + 1);
    if (character === "\\" && next !== "" && '"\\$`\n'.includes(next)) {
      if (next !== "\n") text += next;
      position++;
    } else {
      text += character;
    }
  }
  throw invalid(field, `the quote " at character ${start + 1} is not closed`);
}

/** The inverse: `parseCommandLine(quoteCommandLine(words))` gives the words back, and so does a shell. */
export function quoteCommandLine(words: readonly string[]): string {
  return words.map(quoteWord).join(" ");
}

function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function invalid(field: string, problem: string): MusterError {
  return new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem });
}
