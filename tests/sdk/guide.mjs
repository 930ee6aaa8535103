// A document of the repository, taken apart: its programs and its tables.
import { readFileSync } from 'node:fs';

export class Guide {
  /** @param {string} path from the top of the repository */
  constructor(path) {
    this.text = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  }

  /** The first program in this language, as it stands there. */
  program(language) {
    const [, code] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(this.text);
    return code;
  }

  /** The rows of the table below a heading, each a list of cells. */
  table(heading) {
    const [, section] = this.text.split(`\n## ${heading}\n`);
    const lines = section.split('\n## ')[0].split('\n').filter((line) => line.startsWith('|'));
    return lines.slice(2).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));
  }
}
