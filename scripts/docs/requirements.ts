/** A requirement of the product. */
export interface Requirement {
  readonly id: string
  readonly text: string
  /** Whether a test must carry its id: those of benefits and people, which a citizen meets. */
  readonly mustBeShown: boolean
}

const shown = (id: string, text: string): Requirement => ({ id, text, mustBeShown: true })
const other = (id: string, text: string): Requirement => ({ id, text, mustBeShown: false })

/** What the product must do, by id. */
export const requirements: readonly Requirement[] = [
  other('M1', 'ISO 8583 from ATMs and POS on the Visa rails and from domestic acquirers over TCP, with TLS'),
  other('M2', 'Low-latency authorization; answered only after the posting is durable'),
  other('M3', 'Routing by transaction type: subsidy wallets, health cover, or the linked postal account'),
  other('M4', 'Subsidy value never leaves as cash'),
  other('M5', 'Double-entry ledger in several units; append-only; tamper-evident'),
  other('M6', 'Nightly clearing files, settlement instructions, bank statement reconciliation'),
  other('M7', 'Fraud analysts query the ledger; rules in the authorization path; alerts and cases'),
  other('M8', 'Load benchmarks that anyone can run'),
  shown('M9', 'Ration goods: a monthly amount by members, an approved list of goods with caps'),
  shown('M10', 'Subsidised bread: loaves a member and day at a fixed price; days not drawn become points'),
  shown('M11', 'Universal health insurance: card and fingerprint; co-payment from the postal account'),
  shown('M12', 'Electronic payments from the linked postal account: purchases, cash, government payments'),
  shown('M13', 'Enrolment: national ID, own-name mobile number, fingerprint, account link'),
  shown('M14', 'Issuance: notice with place and time, one month, one extension, cancellation; collection; activation'),
  shown('M15', 'Family card: one card serves the household; messages go to its head'),
  shown('M16', 'Loss or damage blocks at once; replacement fee and working-day term'),
  shown('M17', 'The first subsidised dispense stops the old ration card, in the same commit'),
  shown('M18', 'Households and members added, changed, suspended, removed by dated batches, with reasons'),
  shown('M19', 'Rollout by governorate and service with effective dates'),
  shown('M20', 'Messages in Arabic for collection, dispense, remaining entitlement, blocks'),
  shown('M21', 'New kinds of support added as data, not code'),
  other('M22', 'Secured against intrusion and forgery; transparent; no manipulation'),
  shown('M23', 'A device token maps to the same household and wallets'),
]
