// Finds where two transcripts differ, and which of the differences are known.

/** Where two values differ: a path, and both values there; what is missing is undefined. */
export function differ(ours, theirs, at = '') {
  const isObject = (value) => value !== null && typeof value === 'object';
  if (isObject(ours) && isObject(theirs) && Array.isArray(ours) === Array.isArray(theirs)) {
    const names = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])];
    return names.flatMap((name) => differ(ours[name], theirs[name], `${at}/${name}`));
  }
  return ours === theirs ? [] : [{ at, ours, theirs }];
}

/** What was heard, in short. */
function brief(heard) {
  const short = (one) => {
    if (typeof one === 'string') return one;
    if (one.closed) return `closed ${one.closed.code}`;
    if (one.error) return `error ${one.error.code}`;
    if (one.push) return `push ${Object.keys(one.push).find((name) => name !== 'channel')}`;
    return String(one.status ?? Object.keys(one).find((name) => name !== 'id') ?? Object.keys(one).join());
  };
  return heard.map(short).join(', ');
}

function fits(known, name, step, found, ours, theirs) {
  if (known.in !== name) return false;
  if (known.said && !(known.said instanceof RegExp ? known.said.test(step.said) : step.said.includes(known.said))) return false;
  return known.at ? found.every(({ at }) => known.at.test(at)) : known.ours === ours && known.theirs === theirs;
}

/**
 * Compares one conversation, step by step. Gives what differs and is not known, for people; what was known is added to
 * `met`.
 */
export function compare(name, ours, theirs, known, met) {
  const unknown = [];
  for (let at = 0; at < Math.max(ours.length, theirs.length); at += 1) {
    const [step, other] = [ours[at], theirs[at]];
    if (step?.said !== other?.said) return [...unknown, `${at}: we say ${step?.said}, they are told ${other?.said}`];
    const found = differ(step.heard, other.heard);
    if (found.length === 0) continue;
    const [here, there] = [brief(step.heard), brief(other.heard)];
    const fitting = known.filter((one) => fits(one, name, step, found, here, there));
    fitting.forEach((one) => met.add(one));
    if (fitting.length > 0) continue;
    const values = found.map((one) => `    ${one.at}: ${JSON.stringify(one.ours)} there ${JSON.stringify(one.theirs)}`);
    unknown.push(`${at}: ${step.said}\n  ours ${here}, theirs ${there}\n${values.join('\n')}`);
  }
  return unknown;
}
