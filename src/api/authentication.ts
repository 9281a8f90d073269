import { isIP, isIPv4 } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { MizanError } from '../errors.ts'
import { equalSecret } from '../security/primitives/secrets.ts'
import { noteKeyUse, readAccessKey } from '../store/access-keys.ts'
import { useSession } from '../store/access-sessions.ts'
import type { Access } from './access-matrix.ts'
import type { Actor } from './route.ts'
import type { ApiServices } from './services.ts'
import { type Bearer, csrfTokenOf, readBearer } from './tokens.ts'

/** Cookie of a browser's session. */
export const SESSION_COOKIE = 'mizan_session'
/** Header that has to come along with the cookie when something is changed. */
export const CSRF_HEADER = 'x-mizan-csrf'

/** Who calls a route that is open to all. */
export const nobody: Actor = {
  kind: 'user',
  id: 'nobody',
  person: '',
  roles: [],
  mustChange: false,
  tokenHash: undefined,
}

/**
 * Finds out who calls.
 * @throws MizanError UNAUTHENTICATED, the same for whatever is not right; FORBIDDEN when a browser's request lacks the
 *   header against forgery
 */
export async function authenticate(services: ApiServices, request: FastifyRequest): Promise<Actor> {
  const { authorization, cookie } = request.headers
  const bearer = /^Bearer (\S{1,200})$/.exec(authorization ?? '')?.[1]
  if (bearer !== undefined) return actorOf(services, readBearer(bearer), sourceOf(request))
  if (authorization !== undefined || cookie === undefined) throw new MizanError('UNAUTHENTICATED')
  const token = new RegExp(`(?:^|;\\s*)${SESSION_COOKIE}=([^;\\s]{1,200})`).exec(cookie)?.[1] ?? ''
  const credential = readBearer(token)
  if (credential?.kind !== 'session') throw new MizanError('UNAUTHENTICATED')
  const actor = await actorOf(services, credential, sourceOf(request))
  if (request.method !== 'GET' && request.method !== 'HEAD') checkCsrf(request, credential.tokenHash)
  return actor
}

function checkCsrf(request: FastifyRequest, tokenHash: Buffer): void {
  const sent = Buffer.from(String(request.headers[CSRF_HEADER] ?? ''))
  const wanted = Buffer.from(csrfTokenOf(tokenHash))
  if (sent.length !== wanted.length || !equalSecret(sent, wanted)) {
    throw new MizanError('FORBIDDEN', `with a cookie, what changes something needs the header ${CSRF_HEADER}`)
  }
}

async function actorOf(services: ApiServices, bearer: Bearer | undefined, source: string): Promise<Actor> {
  const { queryable } = services.database
  if (bearer?.kind === 'session') {
    const session = await useSession(queryable, bearer.tokenHash, services.sessions)
    if (session === undefined) throw new MizanError('UNAUTHENTICATED')
    const { user, roles, mustChange } = session
    return { kind: 'user', id: `user:${user}`, person: user, roles, mustChange, tokenHash: bearer.tokenHash }
  }
  const key = bearer === undefined ? undefined : await readAccessKey(queryable, bearer.id, source)
  // The hash is compared also where the key holds no more: time tells nothing.
  const isRight = equalSecret(key?.secretHash ?? Buffer.alloc(32), bearer?.secretHash ?? Buffer.alloc(32, 1))
  if (bearer === undefined || key === undefined || !isRight || !key.isGood) throw new MizanError('UNAUTHENTICATED')
  await noteKeyUse(queryable, bearer.id)
  return {
    kind: 'key',
    id: `key:${bearer.id}`,
    person: key.createdBy,
    roles: key.roles,
    mustChange: false,
    tokenHash: undefined,
  }
}

/** What one may do whose password was set by another: see who one is, change it, or go. */
const BEFORE_CHANGE = ['GET /auth/me', 'POST /auth/password', 'POST /auth/logout']

/**
 * Whether a caller may call a route.
 * @throws MizanError FORBIDDEN, PASSWORD_CHANGE_REQUIRED
 */
export function authorize(actor: Actor, action: string, access: Access): void {
  if (access === 'open') return
  if (actor.mustChange && !BEFORE_CHANGE.includes(action)) throw new MizanError('PASSWORD_CHANGE_REQUIRED')
  if (access === 'logged-in') return
  if (!access.some((role) => actor.roles.includes(role))) {
    throw new MizanError('FORBIDDEN', `it needs one of the roles ${access.join(', ')}`)
  }
}

/**
 * Address of the caller, which is an address whatever a proxy passes on, else the peer's own; IPv4 also where the socket
 * takes both.
 */
export function sourceOf(request: FastifyRequest): string {
  const address = addressOf(request.ip) ?? addressOf(request.socket.remoteAddress) ?? UNKNOWN_ADDRESS
  const mapped = address.startsWith('::ffff:') ? address.slice(7) : ''
  return isIPv4(mapped) ? mapped : address
}

/** Of a connection that is gone already. */
const UNKNOWN_ADDRESS = '0.0.0.0'

/** Some proxies add the port, and a link-local address has its zone; what else a header says is nobody's address. */
function addressOf(text: string | undefined): string | undefined {
  const [, bracketed, dotted] = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/.exec(text ?? '') ?? []
  const address = (bracketed ?? dotted ?? text ?? '').replace(/%.*$/, '')
  return isIP(address) === 0 ? undefined : address
}
