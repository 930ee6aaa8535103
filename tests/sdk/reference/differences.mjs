// Where the node does otherwise than Centrifugo, and why. Each holds: one that is none any more fails the test.
//
// `in` is the conversation, `said` is found in what was said. `ours` and `theirs` are what was heard, in short; where that
// is the same, `at` is where it differs.
const LIFE = 'the subscription has told the epoch; a publication need not';
const POLITE = 'a command that cannot be carried out is refused; the connection goes on';
const TELLING = 'the reason says what is wrong';
const KEPT = 'what is no longer kept, or never was, is told instead of left out';
const JSON_TOO = 'what is refused is told in JSON';
const NAMES = 'a name has at most 255 bytes, for backends, too';
const CODES = 'a code that clients cannot be told is refused';

const history = 'history by pages, from places, and backwards';
const body = 'a body that is none';
const keys = 'the key of the API in every place';
const lines = 'calls as lines of method and params';
const noCalls = 'lines that are no calls';
const codes = 'codes of disconnects';
const kinds = 'channels that do not exist or do not keep';

export const differences = [
  ...['a client connects, subscribes, publishes and leaves', 'a publish without data, and one of null', 'data of every kind goes through as it is',
    'an older version of a publication is dropped', 'publishes of a backend without data, and of null', 'every filter over tags, live and when it recovers'].map((name) => ({ in: name, at: /\/push\/pub\/epoch$/, why: LIFE })),
  { in: 'commands that cannot be done are refused', said: '"ping":{}', ours: 'id', theirs: 'closed 3501', why: 'clients may measure by `ping`, which the reference has given up' },
  ...['subscribe', 'publish', 'presence', 'presence_stats', 'history', 'sub_refresh'].map((verb) => (
    { in: 'a channel named empty', said: `${verb} {"id":2`, ours: 'error 107', theirs: 'closed 3501', why: POLITE })),
  { in: 'a channel named empty', said: 'unsubscribe {"id":2', ours: 'unsubscribe', theirs: 'closed 3501', why: POLITE },
  ...['{"id":1,"subscribe"', '{"id":1,"ping"'].map((said) => ({ in: 'the first frame is not connect', said, at: /closed\/reason$/, why: TELLING })),
  ...['{"id":2,"connect"', 'no id {"subscribe"'].map((said) => ({ in: 'a connected client says what is no command', said, at: /closed\/reason$/, why: TELLING })),
  ...['without a request {"id":2}', '"fly":{}'].map((said) => (
    { in: 'a connected client says what is no command', said, ours: 'error 104', theirs: 'closed 3501', why: 'a newer SDK goes on without what the node does not know' })),
  ...['"offset":1,', '"offset":2,', '"offset":9,', '"offset":100,'].map((offset) => (
    { in: history, said: new RegExp(`"limit":10,"since":{${offset}.*"reverse":false`), ours: 'error 112', theirs: 'history', why: KEPT })),
  { in: history, said: /"offset":100,.*"reverse":true/, at: /publications/, why: 'all lies before a place beyond the end' },
  { in: 'every filter over tags, live and when it recovers', said: '"recover":true', at: /subscribe\/offset$/, why: 'a client for which nothing of what it missed is stands at the end' },
  { in: 'recovery of a subscription that is not recoverable', said: 'asked:only', at: /subscribe\//, why: 'who asks to recover need not ask to be recoverable' },
  { in: 'what else a backend does with subscriptions', said: 'ada hears', ours: 'push subscribe, push pub', theirs: 'push subscribe', why: 'what is recovered is delivered' },
  { in: 'what else a backend does with subscriptions', said: 'ada hears', ours: '', theirs: 'push subscribe', why: 'a client that is subscribed is told nothing' },
  { in: 'what else a backend does with subscriptions', said: 'ada hears', at: /push\/channel$/, why: 'no channel means every channel' },
  { in: 'a backend ends clients with its own code', said: 'u3000 ends', ours: 'closed 3000', theirs: 'closed 1006', why: 'a client is told what the backend said' },
  { in: 'tokens that end, and are made new', said: '"refresh"', at: /refresh\/client$/, why: 'the protocol has the field' },
  { in: 'channels of users', said: 'plain:talk#bob', ours: 'error 103', theirs: 'subscribe', why: 'a name that lists users keeps others out, also where its namespace has no such channels' },
  { in: 'tokens that are wrong', said: 'not yet', ours: 'error 101', theirs: 'error 109', why: 'the same token will do later: another one is not asked for' },
  { in: 'fields that are null are as if left out', said: '"channel":null', ours: '400, error 107', theirs: '200, error 107', why: 'null is no name' },
  { in: body, said: 'publish null', ours: '400, error 107', theirs: '200, error 107', why: 'null is no object' },
  ...['publish ', '[]', '[1]', ' 7', '"x"', '{', '{}x', ':7}', '"data":}'].map((end) => (
    { in: body, said: new RegExp(`${end.replace(/[[\]{}]/g, '\\$&')}$`), ours: '400, error 107', theirs: '400, text', why: JSON_TOO })),
  { in: 'publishes of a backend without data, and of null', said: '{"channels":["asked:empty"]}', ours: '200, error 107', theirs: '200, result', why: 'a message that is none is refused once, not for each channel' },
  ...['"offset":1,', '"offset":2,', '"offset":9,'].map((offset) => (
    { in: 'history from every place', said: new RegExp(`${offset}.*"reverse":false`), ours: '200, error 112', theirs: '200, result', why: KEPT })),
  { in: 'history from every place', said: /"offset":7,"epoch":"<epoch 1>"}}$/, ours: '200, error 112', theirs: '200, result', why: KEPT },
  ...[/"offset":0,.*"reverse":true/, /"since":{},"reverse":true/].map((said) => (
    { in: 'history from every place', said, ours: '200, error 107', theirs: '200, error 100', why: 'the caller is wrong, as a client is that asks so' })),
  ...['publish', 'subscribe', 'unsubscribe'].map((method) => ({ in: kinds, said: new RegExp(`/${method} .*xxx`), ours: '200, error 107', theirs: '200, result', why: NAMES })),
  ...['presence', 'presence_stats', 'history', 'history_remove'].map((method) => ({ in: kinds, said: new RegExp(`/${method} .*xxx`), ours: '200, error 107', theirs: '200, error 108', why: NAMES })),
  { in: codes, said: 'code0 ends', ours: 'closed 3503', theirs: 'closed 1006', why: '0 is none, as everywhere' },
  { in: codes, said: 'code3000 ends', ours: 'closed 3000', theirs: 'closed 1006', why: 'a client is told what the backend said' },
  ...['1', '1000', '2999', '5000'].map((code) => ({ in: codes, said: `"code":${code},`, ours: '200, error 107', theirs: '200, result', why: CODES })),
  { in: codes, said: 'xxx', ours: '200, error 107', theirs: '200, result', why: 'a reason has at most 123 bytes, or WebSocket cannot tell it' },
  { in: 'patterns of channels', said: '[^1]', at: /channels/, why: '`^` negates as `!` does' },
  { in: 'patterns of channels', said: 'pat["}', ours: '200, error 107', theirs: '200, error 100', why: 'the pattern is wrong, not the node' },
  ...['"channel":7', '},7]'].map((said) => ({ in: 'a batch, in which some commands are bad', said, ours: '400, error 107', theirs: '400, text', why: JSON_TOO })),
  ...['{"commands":[]}', 'batch {}'].map((said) => ({ in: 'a batch, in which some commands are bad', said, at: /replies$/, why: 'an empty list is a list' })),
  ...[['every method without a field', '/info {}'], [lines, '{"method":"info"']].map(([name, said]) => (
    { in: name, said, at: /nodes\/0\/inboxes$/, why: 'a node tells what its devices have yet to receive' })),
  { in: lines, said: /api {2}$/, ours: '400, error 107', theirs: '400, text', why: JSON_TOO },
  { in: lines, said: /api {2}(\[\]|7)$/, ours: '400, error 107', theirs: '400, text', why: JSON_TOO },
  { in: lines, said: /api {2}null$/, ours: '400, error 107', theirs: '200, error 107', why: 'null is no object' },
  { in: noCalls, said: /^api {2}{"method":"fly"/, ours: '200, error 104', theirs: '400, text', why: 'one bad command does not void the others' },
  { in: noCalls, said: '{"method":"batch"', ours: '200, error 104', theirs: '400, text', why: 'one bad command does not void the others' },
  { in: noCalls, said: /\n{"method":"fly"/, ours: '200, result, error 104', theirs: '400, text', why: 'one bad command does not void the others' },
  { in: noCalls, said: /\n{$/, ours: '400, error 107', theirs: '400, text', why: `${JSON_TOO}; nothing was carried out` },
  { in: noCalls, said: '"method":9,', ours: '400, error 107', theirs: '200, result', why: 'methods have names, not numbers' },
  { in: noCalls, said: '"method":99,', ours: '400, error 107', theirs: '200, error 104', why: 'methods have names, not numbers' },
  { in: noCalls, said: '{"params"', ours: '200, error 107', theirs: '200, result', why: 'a call without a method is none; there it is a publish' },
  { in: keys, said: /./, ours: '401, error 101', theirs: '401', why: JSON_TOO },
  { in: 'the same idempotency key again', said: 'xxx', ours: '200, error 107', theirs: '200, result', why: 'a key has at most 255 bytes' },
  { in: 'presence, and what tokens and backends say of clients', said: '"user":"nobody"', ours: '200, error 110', theirs: '200, result', why: 'what has ended cannot begin' },
  { in: 'presence, and what tokens and backends say of clients', said: 'asked:past', ours: '200, error 110', theirs: '200, error 100', why: 'what has ended cannot begin' },
];
