import type { Role } from '../store/access-users.ts'

/** Who may call a route: everybody, whoever is logged in, or those with one of the roles. */
export type Access = 'open' | 'logged-in' | readonly Role[]

const readsCitizens: Access = ['enrolment', 'operator', 'auditor']
const readsJournal: Access = ['operator', 'settlement', 'analyst', 'auditor']
const operates: Access = ['operator']
const serves: Access = ['enrolment', 'operator']
const settles: Access = ['settlement', 'auditor']
const administers: Access = ['admin']
const proposes: Access = ['enrolment', 'operator', 'settlement']

/**
 * Who may call what. A route that does not stand here cannot be registered; docs/api.md shows this table, and a test
 * walks every route with every role.
 */
export const accessMatrix: Readonly<Record<string, Access>> = {
  'POST /auth/login': 'open',
  'POST /auth/logout': 'logged-in',
  'GET /auth/me': 'logged-in',
  'POST /auth/password': 'logged-in',

  'GET /users': ['admin', 'auditor'],
  'POST /users': administers,
  'POST /users/{name}/roles': administers,
  'POST /users/{name}/password': administers,
  'POST /users/{name}/disable': administers,
  'GET /api-keys': ['admin', 'auditor'],
  'POST /api-keys': administers,
  'POST /api-keys/{keyId}/revoke': administers,

  'GET /households/{householdId}': readsCitizens,
  'GET /households/{householdId}/cards': readsCitizens,
  'GET /households/{householdId}/balances': readsCitizens,
  'GET /households/{householdId}/authorizations': readsCitizens,
  'GET /cards/{cardId}': readsCitizens,
  'POST /cards/search': readsCitizens,
  'POST /cards/{cardId}/block': serves,
  'POST /cards/{cardId}/unblock': operates,
  'POST /cards/{cardId}/pin-reset': serves,
  'GET /commands/{commandId}': ['enrolment', 'operator', 'settlement', 'auditor'],

  'GET /authorizations': readsJournal,
  'GET /authorizations/{authorizationId}': readsJournal,
  'GET /authorizations/{authorizationId}/transfers': readsJournal,
  'GET /ledger/balances': settles,
  'GET /ledger/trial-balance': settles,

  'GET /change-requests': ['enrolment', 'operator', 'settlement', 'auditor'],
  'GET /change-requests/{changeId}': ['enrolment', 'operator', 'settlement', 'auditor'],
  'POST /change-requests': proposes,
  'POST /change-requests/{changeId}/approve': proposes,
  'POST /change-requests/{changeId}/reject': proposes,
  'POST /households/{householdId}/status': serves,

  'GET /audit': ['auditor'],
}
