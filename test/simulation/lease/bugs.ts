/** Deliberate bugs: each leaves a sentence of the protocol out, in the world around the code, never in the code. */
export const BUGS = [
  "echo after ACCEPT",
  "echo under old terms",
  "confirm before evidence",
  "pointed slot armed",
  "lastEcho stored after sending",
  "hold counted from ACCEPT",
  "evidence under the new W only",
  "no joint rule",
  "no hold",
  "a left-out life returns",
  "the holder uses a longer L when it appends",
  "the echoer uses a shorter H at once",
  "the record tells no former token",
  "the former token is forgotten at once",
] as const;
export type Bug = (typeof BUGS)[number];
