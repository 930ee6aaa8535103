// docs/TOKENS.md, taken apart: its examples and its tables.
import { readFileSync } from 'node:fs';

const text = readFileSync(new URL('../../../docs/TOKENS.md', import.meta.url), 'utf8');

/** The program in this language, as it stands in the guide. */
export function example(language) {
  const [, code] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(text);
  return code;
}

/** The rows of the table below a heading, each a list of cells. */
export function table(heading) {
  const [, section] = text.split(`\n## ${heading}\n`);
  const lines = section.split('\n## ')[0].split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));
}

/** The claims that the table below a heading explains. */
export const claims = (heading) => table(heading).flatMap(([names]) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name));
