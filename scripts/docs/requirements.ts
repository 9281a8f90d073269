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

/** A test that is named by requirements, and how it ended. */
export interface ShownTest {
  /** Path of its file in the repository. */
  readonly file: string
  readonly ids: readonly string[]
  /** Without the ids. */
  readonly name: string
  readonly ok: boolean
}

/** A line that ends a test or subtest whose name begins with ids; tap writes the time behind it. */
const NAMED = /^\s*(not )?ok \d+ - (M\d+(?:,? M\d+)*): (.+?)(?: # (.*))?$/gm
/** Folder of the tests that go over the sockets and the API of a running switch, and over nothing else. */
const END_TO_END = 'test/requirements/'

/** Folder of the programs of `npm test`, each of which runs several test files (`test/support/test-group.ts`). */
const GROUPS = 'test/groups/'

/** What tap kept of a program of the run, for each test file that it ran: itself, or those of a group. */
export function resultsByFile(program: string, results: string): [file: string, results: string][] {
  if (!program.startsWith(GROUPS)) return [[program, results]]
  const parts = results.split(/^# Subtest: (?=test\/\S+\.test\.ts$)/m).slice(1)
  return parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)])
}

/** Finds the tests that carry ids in what tap kept of a file; one that was skipped or is still to be done shows nothing. */
export function shownTests(file: string, results: string): ShownTest[] {
  const shown: ShownTest[] = []
  for (const [, not, ids = '', name = '', directive = ''] of results.matchAll(NAMED)) {
    if (/^(skip|todo)/i.test(directive)) continue
    const plain = name.replaceAll(/\\([\\#])/g, '$1')
    shown.push({ file, ids: ids.split(/,? /), name: plain, ok: not === undefined })
  }
  return shown
}

/** What is wrong with a run: requirements without a test from end to end, and tests that failed. */
export function faultsOf(shown: readonly ShownTest[]): string[] {
  const whole = new Set(shown.filter(({ file }) => file.startsWith(END_TO_END)).flatMap(({ ids }) => ids))
  const missing = requirements.filter(({ id, mustBeShown }) => mustBeShown && !whole.has(id))
  const known = new Set(requirements.map(({ id }) => id))
  return [
    ...missing.map(({ id }) => `no test in ${END_TO_END} is named by ${id}`),
    ...shown.filter(({ ok }) => !ok).map(({ file, name }) => `${file}: ${name}: failed`),
    ...shown.flatMap(({ file, ids }) =>
      ids.filter((id) => !known.has(id)).map((id) => `${file} names ${id}, which is no requirement`),
    ),
  ]
}

/** docs/requirements.md: the same for the same tests, whenever and wherever they ran. */
export function requirementsPage(shown: readonly ShownTest[]): string {
  const rows = requirements.map(({ id, text }) => {
    const tests = shown
      .filter(({ ids }) => ids.includes(id))
      .sort((a, b) => rank(a) - rank(b) || (a.file < b.file ? -1 : a.file > b.file ? 1 : 0))
      .map(({ name, file }) => `${name.replaceAll('|', '\\|')} (\`${file}\`)`)
    return `| ${id} | ${text} | ${tests.length === 0 ? 'see [architecture.md](architecture.md)' : tests.join('<br>')} |`
  })
  return [
    '# Requirements and the tests that show them',
    '',
    'Made by the test run (`npm test`) of every test whose name begins with the id of a requirement, and passed. Those in',
    `\`${END_TO_END}\` do as users do, over the sockets and the API of a running switch, from end to end; the others are about`,
    'a part.',
    '',
    '| id | requirement | shown by |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}

function rank({ file }: ShownTest): number {
  return file.startsWith(END_TO_END) ? 0 : 1
}
