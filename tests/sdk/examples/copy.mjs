// A copy of examples/ that has the packages of the tests.
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url));
export const PACKAGES = fileURLToPath(new URL('../node_modules', import.meta.url));

/** A copy of the examples, with the packages of the tests beside it. */
export function copy(t) {
  const folder = mkdtempSync(join(tmpdir(), 'ringpost-examples-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(EXAMPLES, folder, { recursive: true });
  symlinkSync(PACKAGES, join(folder, 'node_modules'));
  return folder;
}
