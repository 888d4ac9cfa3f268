import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { playStory } from "./story.ts";

/** Each story is a directory TOPIC/NN-name with README.md, story.txt and golden.txt. UPDATE_GOLDEN=1 writes the golden logs anew. */
const directory = import.meta.dirname;
const stories = directoriesIn(directory).flatMap((topic) => directoriesIn(join(directory, topic)).map((name) => `${topic}/${name}`));

function directoriesIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

for (const story of stories) {
  test(`story ${story}`, () => {
    const played = playStory(readFileSync(join(directory, story, "story.txt"), "utf8"));
    const golden = join(directory, story, "golden.txt");
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(golden, played);
    assert.equal(played, existsSync(golden) ? readFileSync(golden, "utf8") : "");
  });
}

test("every story is listed in README.md", () => {
  const listed = readFileSync(join(directory, "README.md"), "utf8");
  for (const story of stories) {
    assert.ok(listed.includes(`- \`${story}\`:`), `${story} is missing in test/stories/README.md`);
    assert.ok(existsSync(join(directory, story, "README.md")), `${story} has no README.md`);
  }
  assert.ok(stories.length >= 120);
});
