import { Type } from 'typebox'
import { MizanError } from '../../errors.ts'
import { type AccessKey, addAccessKey, listAccessKeys, revokeAccessKey } from '../../store/access-keys.ts'
import { instantOf } from '../cursor.ts'
import { changeOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { instant, orNull, shape, words } from '../shapes.ts'
import { newApiKey } from '../tokens.ts'

const tag = 'access'
const DAYS_MAX = 400
const keyRoles = Type.Array(Type.Enum(['enrolment', 'operator', 'settlement', 'analyst', 'auditor']), {
  minItems: 1,
  maxItems: 5,
  uniqueItems: true,
})

const keyProperties = {
  keyId: Type.String(),
  label: Type.String(),
  roles: keyRoles,
  networks: Type.Array(Type.String({ description: 'CIDR.' })),
  createdAt: instant('When it was made'),
  createdBy: Type.String({ description: 'Who answers for it: the key ends with this user.' }),
  expiresAt: instant('When it ends'),
  usedAt: orNull(instant('Last use, to the minute')),
  revokedAt: orNull(instant('Since when it is no more')),
}

function keyView(key: AccessKey) {
  return {
    keyId: key.id,
    label: key.label,
    roles: key.roles,
    networks: key.networks,
    createdAt: instantOf(key.createdAtMs),
    createdBy: key.createdBy,
    expiresAt: instantOf(key.expiresAtMs),
    usedAt: instantOf(key.usedAtMs),
    revokedAt: instantOf(key.revokedAtMs),
  }
}

/** Keys by which programs call the API. */
export const keyRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api-keys',
    tag,
    summary: 'list the keys of programs, revoked ones too',
    answers: { 200: shape({ items: Type.Array(shape(keyProperties)) }) },
    handler: async ({ services }) => ok({ items: (await listAccessKeys(services.database.queryable)).map(keyView) }),
  }),
  route({
    method: 'POST',
    path: '/api-keys',
    tag,
    summary: 'make a key; it is shown once',
    description: 'A key may ask for what needs a second person, and never be that person. It cannot administer.',
    body: shape({
      label: words('What it is for.', 64),
      roles: keyRoles,
      networks: Type.Optional(
        Type.Array(Type.String({ maxLength: 43 }), {
          maxItems: 16,
          description: 'Where it may be used from, in CIDR.',
        }),
      ),
      days: Type.Integer({ minimum: 1, maximum: DAYS_MAX, description: 'How long it holds.' }),
    }),
    answers: {
      201: shape({
        keyId: Type.String(),
        key: orNull(Type.String({ description: 'For `Authorization: Bearer …`; null in the answer to a repeat.' })),
        expiresAt: instant('When it ends'),
      }),
    },
    changes: true,
    handler: async (call) =>
      changeOnce(call, async (client) => {
        if (call.actor.kind !== 'user') throw new MizanError('FORBIDDEN', 'a person makes keys')
        const { label, roles, networks = [], days } = call.body
        const { id, key, secretHash } = newApiKey()
        const made = { id, secretHash, label, roles, networks, createdBy: call.actor.person, days }
        const shown = { keyId: id, key, expiresAt: instantOf(await addAccessKey(client, made)) }
        return {
          answer: { status: 201, body: shown },
          repeated: { ...shown, key: null },
          detail: { key: id, label, roles, networks, days },
        }
      }),
  }),
  route({
    method: 'POST',
    path: '/api-keys/{keyId}/revoke',
    tag,
    summary: 'revoke a key for good',
    params: shape({ keyId: Type.String({ pattern: '^[0-9a-z]{12}$' }) }),
    answers: { 200: shape({ keyId: Type.String(), revoked: Type.Boolean() }) },
    changes: true,
    handler: async (call) =>
      changeOnce(call, async (client) => {
        const { keyId } = call.params
        await revokeAccessKey(client, keyId, call.actor.id)
        return { answer: ok({ keyId, revoked: true }), detail: { key: keyId } }
      }),
  }),
]
