import { Type } from 'typebox'
import { MizanError } from '../../errors.ts'
import {
  type AccessUser,
  addUser,
  confirmUser,
  disableUser,
  listUsers,
  readUser,
  requireConfirmed,
  roles,
  setPassword,
  setUserRoles,
} from '../../store/access-users.ts'
import type { Client } from '../../store/connection.ts'
import { instantOf } from '../cursor.ts'
import { passwords } from '../login.ts'
import { changeOnce } from '../once.ts'
import { type Answer, type Call, ok, type Route, route } from '../route.ts'
import { instant, orNull, shape } from '../shapes.ts'

const tag = 'access'
const roleList = Type.Array(Type.Enum([...roles]), { minItems: 1, maxItems: roles.length, uniqueItems: true })
const nameShape = Type.String({
  pattern: '^[a-z][a-z0-9._-]{1,31}$',
  description: '2 to 32 lower-case letters, digits, dots, dashes or underscores, a letter first.',
})
const passwordShape = Type.String({
  minLength: 12,
  maxLength: 256,
  description: 'First password; the user has to change it.',
})
const params = shape({ name: nameShape })

const userShape = shape({
  name: Type.String(),
  roles: roleList,
  mustChange: Type.Boolean(),
  createdAt: instant('When the user was added'),
  createdBy: Type.String(),
  lastLoginAt: orNull(instant('Last right password')),
  lockedUntil: orNull(instant('No login before this, after too many wrong passwords')),
  disabledAt: orNull(instant('Since when the user is no more')),
  confirmedBy: orNull(
    Type.String({ description: 'Who confirmed the access: until then the user is none of two people who agree.' }),
  ),
})

function userView(user: AccessUser) {
  return {
    name: user.name,
    roles: user.roles,
    mustChange: user.mustChange,
    createdAt: instantOf(user.createdAtMs),
    createdBy: user.createdBy,
    lastLoginAt: instantOf(user.lastLoginAtMs),
    lockedUntil: instantOf(user.lockedUntilMs),
    disabledAt: instantOf(user.disabledAtMs),
    confirmedBy: user.confirmedBy ?? null,
  }
}

/**
 * Changes a user who is not the caller, once, and answers with the user as it is then.
 * @param work returns more for the audit
 */
function changeUser(
  call: Call<{ readonly name: string }>,
  refusal: string,
  work: (client: Client, name: string) => Promise<Readonly<Record<string, unknown>>>,
): Promise<Answer> {
  return changeOnce(call, async (client) => {
    const { name } = call.params
    if (name === call.actor.person) throw new MizanError('CONFLICT', refusal)
    const detail = await work(client, name)
    return { answer: ok(userView(await readUser(client, name))), detail: { name, ...detail } }
  })
}

/** People who may log in. */
export const userRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/users',
    tag,
    summary: 'list the users, disabled ones too',
    answers: { 200: shape({ items: Type.Array(userShape) }) },
    handler: async ({ services }) => ok({ items: (await listUsers(services.database.queryable)).map(userView) }),
  }),
  route({
    method: 'POST',
    path: '/users',
    tag,
    summary: 'add a user',
    body: shape({ name: nameShape, roles: roleList, password: passwordShape }),
    answers: { 201: userShape },
    changes: true,
    handler: async (call) => {
      const { name, roles: wanted, password } = call.body
      const hash = await passwords.hash(password)
      return changeOnce(call, async (client) => {
        await addUser(client, { name, roles: wanted, mustChange: true }, hash, call.actor.id)
        return {
          answer: { status: 201, body: userView(await readUser(client, name)) },
          detail: { name, roles: wanted },
        }
      })
    },
  }),
  route({
    method: 'POST',
    path: '/users/{name}/roles',
    tag,
    summary: 'give a user other roles, at once',
    params,
    body: shape({ roles: roleList }),
    answers: { 200: userShape },
    changes: true,
    handler: async (call) =>
      changeUser(call, 'nobody changes the own roles', async (client, name) => {
        const { roles: from } = await readUser(client, name)
        await setUserRoles(client, name, call.body.roles, call.actor.id)
        return { from, to: call.body.roles }
      }),
  }),
  route({
    method: 'POST',
    path: '/users/{name}/password',
    tag,
    summary: 'set a first password again; the sessions of the user end',
    params,
    body: shape({ password: passwordShape }),
    answers: { 200: userShape },
    changes: true,
    handler: async (call) => {
      const hash = await passwords.hash(call.body.password)
      return changeUser(call, 'the own password is changed at /auth/password', async (client, name) => {
        await setPassword(client, name, hash, { mustChange: true, by: call.actor.id })
        return {}
      })
    },
  }),
  route({
    method: 'POST',
    path: '/users/{name}/confirm',
    tag,
    summary: 'confirm the access that another administrator gave a user',
    params,
    answers: { 200: userShape },
    changes: true,
    handler: async (call) =>
      changeUser(call, 'nobody confirms the own access', async (client, name) => {
        await requireConfirmed(client, call.actor.person)
        await confirmUser(client, name, call.actor.id)
        return {}
      }),
  }),
  route({
    method: 'POST',
    path: '/users/{name}/disable',
    tag,
    summary: 'disable a user for good; sessions and keys of the user end',
    params,
    answers: { 200: userShape },
    changes: true,
    handler: async (call) =>
      changeUser(call, 'nobody disables oneself', async (client, name) => {
        await disableUser(client, name)
        return {}
      }),
  }),
]
