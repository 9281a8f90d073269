import { Type } from 'typebox'
import { MizanError } from '../../errors.ts'
import { endSession, openSession, sweepSessions } from '../../store/access-sessions.ts'
import { noteLogin, roles, setPassword } from '../../store/access-users.ts'
import { noteAudit } from '../../store/audit-store.ts'
import { sweepAnswers } from '../../store/idempotency.ts'
import { SESSION_COOKIE } from '../authentication.ts'
import { instantOf } from '../cursor.ts'
import { passwords } from '../login.ts'
import { type Answer, type Call, ok, type Route, route } from '../route.ts'
import { instant, orNull, shape, words } from '../shapes.ts'
import { csrfTokenOf, newSessionToken } from '../tokens.ts'

const tag = 'access'
const roleShape = Type.Enum([...roles])
const password = (what: string) => Type.String({ minLength: 1, maxLength: 256, description: what })

const loginBody = shape({
  name: words('Name of the user.', 32),
  password: password('The password.'),
  cookie: Type.Optional(
    Type.Boolean({ description: 'For a browser: the token goes into a cookie that scripts cannot read.' }),
  ),
})

const sessionShape = shape({
  token: orNull(Type.String({ description: 'For the header `Authorization: Bearer …`; null when a cookie holds it.' })),
  csrfToken: Type.String({ description: 'With a cookie: what X-Mizan-CSRF has to be when something is changed.' }),
  expiresAt: instant('When it ends at the latest'),
  name: Type.String(),
  roles: Type.Array(roleShape),
  mustChange: Type.Boolean({ description: 'The password has to be changed before anything else.' }),
})

type Login = { readonly name: string; readonly password: string; readonly cookie?: boolean }

async function logIn(call: Call<unknown, unknown, Login>): Promise<Answer> {
  const { services, body, source } = call
  const { queryable } = services.database
  const { login, isRight } = await passwords.check(queryable, body.name, body.password)
  if (login === undefined || !isRight) {
    // What was typed as a name may be a password in the wrong place: only a name that is one is written down.
    await noteLoginEvent(call, 'nobody', 'refused', { name: login?.name ?? '(unknown)' })
    throw new MizanError(
      'UNAUTHENTICATED',
      'name and password do not go together, or too many were wrong: wait a while',
    )
  }
  const { token, tokenHash } = newSessionToken()
  const expiresAtMs = await services.database.change(async (client) => {
    await noteLogin(client, login.name)
    const session = { tokenHash, user: login.name, source }
    const endsAtMs = await openSession(client, session, services.sessions)
    await sweepSessions(client)
    await sweepAnswers(client)
    return endsAtMs
  })
  await noteLoginEvent(call, `user:${login.name}`, 'done', {})
  const inCookie = body.cookie === true
  const answer = ok({
    token: inCookie ? null : token,
    csrfToken: csrfTokenOf(tokenHash),
    expiresAt: instantOf(expiresAtMs),
    name: login.name,
    roles: login.roles,
    mustChange: login.mustChange,
  })
  return inCookie ? { ...answer, headers: { 'set-cookie': cookieOf(token, services.sessions.lifeS, call) } } : answer
}

function cookieOf(token: string, lifeS: number, call: Call): string {
  const secure = call.services.production ? '; Secure' : ''
  return `${SESSION_COOKIE}=${token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${lifeS}${secure}`
}

async function noteLoginEvent(
  call: Call<unknown, unknown, Login>,
  actor: string,
  outcome: 'done' | 'refused',
  detail: Record<string, unknown>,
): Promise<void> {
  const { source, requestId, action } = call
  await call.services.database.change((client) =>
    noteAudit(client, { actor, source, requestId, action, outcome, detail }),
  )
}

const meShape = shape({
  id: Type.String({ description: 'As it stands in the audit.' }),
  kind: Type.Enum(['user', 'key']),
  person: Type.String({ description: 'Of a key, who answers for it.' }),
  roles: Type.Array(roleShape),
  mustChange: Type.Boolean(),
  csrfToken: orNull(Type.String()),
})

/** Coming and going. */
export const authRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/auth/login',
    tag,
    summary: 'log in',
    description:
      'Five wrong passwords lock a name for half a minute, and each further one for twice as long, up to an hour.',
    body: loginBody,
    answers: { 200: sessionShape },
    handler: logIn,
  }),
  route({
    method: 'POST',
    path: '/auth/logout',
    tag,
    summary: 'end the session',
    answers: { 204: null },
    handler: async (call) => {
      const { actor, services } = call
      if (actor.tokenHash === undefined) throw new MizanError('CONFLICT', 'a key has no session: have it revoked')
      const { tokenHash } = actor
      await services.database.change(async (client) => {
        await endSession(client, tokenHash)
        await noteAudit(client, { ...whoOf(call), outcome: 'done' })
      })
      return { status: 204, headers: { 'set-cookie': cookieOf('', 0, call) } }
    },
  }),
  route({
    method: 'GET',
    path: '/auth/me',
    tag,
    summary: 'who one is',
    answers: { 200: meShape },
    handler: async ({ actor }) =>
      ok({
        id: actor.id,
        kind: actor.kind,
        person: actor.person,
        roles: actor.roles,
        mustChange: actor.mustChange,
        csrfToken: actor.tokenHash === undefined ? null : csrfTokenOf(actor.tokenHash),
      }),
  }),
  route({
    method: 'POST',
    path: '/auth/password',
    tag,
    summary: 'change the own password; other sessions end',
    body: shape({ current: password('The password so far.'), next: password('The new one, 12 to 256 characters.') }),
    answers: { 204: null },
    handler: async (call) => {
      const { actor, services, body } = call
      const { tokenHash } = actor
      if (tokenHash === undefined) throw new MizanError('CONFLICT', 'a key has no password')
      const { isRight } = await passwords.check(services.database.queryable, actor.person, body.current)
      if (!isRight) throw new MizanError('UNAUTHENTICATED', 'the password so far is another')
      if (body.next === body.current) throw new MizanError('BAD_INPUT', 'the new password is the old one')
      const hash = await passwords.hash(body.next)
      await services.database.change(async (client) => {
        await setPassword(client, actor.person, hash, { mustChange: false, keep: tokenHash, by: undefined })
        await noteAudit(client, { ...whoOf(call), outcome: 'done' })
      })
      return { status: 204 }
    },
  }),
]

function whoOf({ actor, source, requestId, action }: Call<unknown, unknown, unknown>) {
  return { actor: actor.id, source, requestId, action }
}
