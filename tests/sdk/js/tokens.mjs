// Tokens as an application's backend makes them: HS256 with nothing but node:crypto.
import { createHmac } from 'node:crypto';

export const SECRET = 'sdk-secret-of-at-least-thirty-two-bytes';

/** A part of a token; text is taken as it is. */
export const part = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export function sign(claims, secret = SECRET) {
  const input = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

/** Unix seconds, that many from now. */
export const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

/** Longer than a token of two seconds and what the node then waits for the next one (config.toml). */
export const BEYOND_EXPIRY_MS = 7_500;

export const connectionToken = (user, claims = {}) => sign({ sub: user, exp: inSeconds(3600), ...claims });

export const subscriptionToken = (user, channel, claims = {}) =>
  sign({ sub: user, channel, exp: inSeconds(3600), ...claims });
