import type { Role } from '../store/access-users.ts'

/** Who may call a route: everybody, whoever is logged in, or those with one of the roles. */
export type Access = 'open' | 'logged-in' | readonly Role[]

const readsCitizens: Access = ['enrolment', 'operator', 'auditor']
const readsJournal: Access = ['operator', 'settlement', 'analyst', 'auditor']
/** What banks booked is for those who settle and those who look after them. */
const readsBanks: Access = ['operator', 'settlement', 'auditor']
const enrols: Access = ['enrolment']
const readsProgrammes: Access = ['enrolment', 'operator', 'settlement', 'analyst', 'auditor']
const readsMasterData: Access = ['operator', 'settlement', 'analyst', 'auditor']
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
  'POST /users/{name}/confirm': administers,
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

  'GET /business-days': readsMasterData,
  'GET /business-days/{date}': readsMasterData,
  'GET /business-days/{date}/balance': readsBanks,
  'GET /business-days/{date}/report': readsBanks,
  'POST /business-days/{date}/cutover': ['operator', 'settlement'],

  'GET /change-requests': ['enrolment', 'operator', 'settlement', 'auditor'],
  'GET /change-requests/{changeId}': ['enrolment', 'operator', 'settlement', 'auditor'],
  'POST /change-requests': proposes,
  'POST /change-requests/{changeId}/approve': proposes,
  'POST /change-requests/{changeId}/reject': proposes,
  'POST /households/{householdId}/status': serves,

  'POST /households': enrols,
  'GET /households/{householdId}/people': ['enrolment', 'auditor'],
  'POST /households/{householdId}/members': enrols,
  'POST /households/{householdId}/members/{personId}/remove': enrols,
  'POST /households/{householdId}/members/{personId}/head': enrols,
  'POST /households/{householdId}/classes': enrols,
  'POST /households/{householdId}/move': enrols,
  'POST /households/{householdId}/account': enrols,
  'POST /households/{householdId}/fingerprint': enrols,
  'POST /people/search': serves,
  'POST /people/{personId}/mobile': enrols,
  'POST /membership-files/check': enrols,
  'POST /membership-files': enrols,
  'GET /households/{householdId}/orders': readsCitizens,
  'POST /households/{householdId}/orders': enrols,
  'GET /orders/{orderId}': readsCitizens,
  'GET /orders/late': readsCitizens,
  'POST /orders/{orderId}/order': enrols,
  'POST /orders/{orderId}/printed': enrols,
  'POST /orders/{orderId}/ready': enrols,
  'POST /orders/{orderId}/extend': serves,
  'POST /orders/{orderId}/collected': enrols,
  'POST /orders/{orderId}/activate': serves,
  'POST /orders/{orderId}/cancel': enrols,
  'POST /cards/{cardId}/report': serves,
  'POST /cards/{cardId}/replace': serves,
  'POST /households/{householdId}/devices': enrols,
  'POST /cards/{cardId}/remove-device': serves,
  'GET /collection-places': ['enrolment', 'operator', 'auditor'],
  'POST /collection-places/{placeId}': operates,
  'POST /collection-places/{placeId}/close': operates,
  'GET /holidays': ['enrolment', 'operator', 'auditor'],
  'POST /holidays/{date}': operates,
  'POST /holidays/{date}/withdraw': operates,
  'POST /activation-policies': operates,
  'POST /replacement-terms': operates,

  'POST /households/{householdId}/one-time-code': serves,
  'GET /households/{householdId}/exceptions': readsCitizens,
  'POST /households/{householdId}/exceptions/{exceptionId}/end': serves,

  'GET /programmes': readsProgrammes,
  'GET /programmes/{code}': readsProgrammes,
  'GET /programmes/{code}/diff': readsProgrammes,
  'POST /programmes/validate': operates,
  'POST /programmes/{code}/draft': operates,
  'POST /programmes/{code}/versions/{version}/submit': operates,
  'POST /programmes/{code}/versions/{version}/withdraw': operates,
  'POST /programmes/{code}/versions/{version}/simulations': operates,
  'GET /programmes/{code}/simulations': readsProgrammes,
  'GET /programme-simulations/{simulationId}': readsProgrammes,

  'GET /outlets': readsMasterData,
  'GET /outlets/{acceptor}': readsMasterData,
  'POST /outlets/{acceptor}': operates,
  'POST /outlets/{acceptor}/status': operates,
  'POST /outlet-files/check': ['operator', 'settlement'],
  'POST /outlet-files': ['operator', 'settlement'],
  'GET /rollout': readsMasterData,
  'GET /rollout/history': readsMasterData,

  'GET /notifications': readsCitizens,
  'GET /notifications/{notificationId}': readsCitizens,
  'POST /notifications/{notificationId}/resend': serves,
  'GET /households/{householdId}/notification-preference': readsCitizens,
  'POST /households/{householdId}/notification-preference': serves,

  'GET /outbound-messages': readsJournal,
  'GET /outbound-messages/{messageId}': readsJournal,
  'GET /outbound-destinations': readsJournal,
  'GET /account-host': readsJournal,
  'GET /account-host/exceptions': readsJournal,
  'POST /account-host/exceptions/{exceptionId}/resolve': ['settlement'],
  'GET /clearing/deliveries': readsMasterData,
  'GET /clearing/files': readsMasterData,
  'GET /clearing/files/{fileId}': readsMasterData,
  'GET /clearing/files/{fileId}/records': settles,
  'GET /clearing/requests': readsMasterData,
  'GET /clearing/requests/{requestId}': readsMasterData,
  'POST /clearing/files/{fileId}/correct': ['settlement'],
  'POST /clearing/files/{fileId}/sign-again': ['settlement'],
  'POST /clearing/verifications': ['operator', 'settlement'],
  'POST /settlement/runs/{date}': ['settlement'],
  'POST /reconciliation/runs': ['operator', 'settlement'],
  'GET /clearing/deliveries/{deliveryId}': readsMasterData,
  'POST /clearing/deliveries/{deliveryId}/resend': ['operator', 'settlement'],
  'GET /clearing/releases/{date}': ['operator', 'settlement', 'auditor'],
  'GET /clearing/fetches': readsMasterData,
  'GET /clearing/keys': ['operator', 'settlement', 'auditor'],

  'GET /bank-files': readsBanks,
  'GET /bank-statements': readsBanks,
  'GET /bank-statements/{statementId}': readsBanks,
  'GET /bank-entries': readsBanks,
  'GET /bank-answers': readsBanks,
  'POST /bank-answers/{fileId}/{number}/close': ['settlement'],
  'GET /network-items': readsJournal,
  'GET /network-totals': readsJournal,
  'GET /disputes': ['operator', 'settlement', 'auditor'],
  'GET /disputes/{disputeId}': ['operator', 'settlement', 'auditor'],
  'POST /outbound-messages/{messageId}/resend': ['operator', 'settlement'],
  'POST /outbound-messages/{messageId}/drop': ['operator', 'settlement'],

  'GET /reconciliation/runs': readsJournal,
  'GET /reconciliation/breaks': readsJournal,
  'GET /reconciliation/exceptions': readsJournal,
  'GET /reconciliation/exceptions/{exceptionId}': readsJournal,
  'GET /reconciliation/ageing': readsJournal,
  'POST /reconciliation/exceptions/{exceptionId}/assign': ['settlement'],
  'POST /reconciliation/exceptions/{exceptionId}/wait': ['settlement'],
  'POST /reconciliation/exceptions/{exceptionId}/comment': ['settlement'],
  'POST /reconciliation/exceptions/{exceptionId}/resolve': ['settlement'],
  'GET /settlement/runs': settles,
  'GET /settlement/runs/{date}': settles,
  'GET /settlement/runs/{date}/positions': settles,
  'GET /settlement/runs/{date}/payables': settles,
  'GET /settlement/instructions': settles,
  'GET /settlement/instructions/{endToEndId}': settles,
  'GET /settlement/suspensions': settles,
  'GET /settlement/master/{date}': settles,
  'GET /settlement/master-changes': settles,

  'GET /audit': ['auditor'],
}
