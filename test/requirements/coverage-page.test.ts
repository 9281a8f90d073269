import t from 'tap'
import {
  faultsOf,
  requirements,
  requirementsPage,
  resultsByFile,
  type ShownTest,
  shownTests,
} from '../../scripts/docs/requirements.ts'

const RESULTS = `TAP version 14
# Subtest: what a household gets
    # Subtest: M9: goods
        ok 1 - should be equal
        1..1
    ok 1 - M9: goods up to the caps # time=85.367ms

    # Subtest: M17, M23: two cards
        # Subtest: M10 M20: loaves
            1..0
        ok 1 - M10 M20: loaves, a day | a night # time=1.5ms
        1..1
    not ok 2 - M17, M23: two cards \\# one # time=20.55ms
      ---
      compare: ===
      ...
    ok 3 - M12: later # SKIP
    ok 4 - M13: soon # TODO not yet
    ok 5 - M1 as M0
    ok 6 - about M14: in the middle
    1..6
not ok 1 - what a household gets # time=8332.61ms
`

t.test('what tap kept of a file: named tests at any depth, without times, and not what was skipped', async (t) => {
  t.same(shownTests('test/requirements/a.test.ts', RESULTS), [
    { file: 'test/requirements/a.test.ts', ids: ['M9'], name: 'goods up to the caps', ok: true },
    { file: 'test/requirements/a.test.ts', ids: ['M10', 'M20'], name: 'loaves, a day | a night', ok: true },
    { file: 'test/requirements/a.test.ts', ids: ['M17', 'M23'], name: 'two cards # one', ok: false },
  ])
})

t.test('what a group of files has shown is told file by file', async (t) => {
  const group = [
    'TAP version 14',
    '# Subtest: test/a.test.ts',
    '    # Subtest: test/groups are no files',
    '    ok 1 - M9: goods',
    'ok 1 - test/a.test.ts # time=1ms',
    '',
    '# Subtest: test/requirements/b.test.ts',
    '    not ok 1 - M10: bread',
    'not ok 2 - test/requirements/b.test.ts',
    '1..2',
  ].join('\n')
  const parts = resultsByFile('test/groups/3-rules.ts', group)
  t.same(
    parts.flatMap(([file, results]) => shownTests(file, results)),
    [
      { file: 'test/a.test.ts', ids: ['M9'], name: 'goods', ok: true },
      { file: 'test/requirements/b.test.ts', ids: ['M10'], name: 'bread', ok: false },
    ],
  )
  t.same(resultsByFile('test/requirements/a.test.ts', RESULTS), [['test/requirements/a.test.ts', RESULTS]])
})

t.test('a requirement without a test from end to end, a failed test and a wrong id are faults', async (t) => {
  const wanted = requirements.filter(({ mustBeShown }) => mustBeShown).map(({ id }) => id)
  t.same(
    wanted,
    ['M9', 'M10', 'M11', 'M12', 'M13', 'M14', 'M15', 'M16', 'M17', 'M18', 'M19', 'M20', 'M21', 'M23'],
    'all that citizens meet',
  )
  const good: ShownTest = { file: 'test/requirements/a.test.ts', ids: wanted, name: 'all', ok: true }
  t.same(faultsOf([good]), [])
  t.same(
    faultsOf([
      { ...good, ids: wanted.slice(1) },
      { ...good, file: 'test/b.test.ts' },
    ]),
    ['no test in test/requirements/ is named by M9'],
  )
  t.same(faultsOf([{ ...good, ok: false }]), ['test/requirements/a.test.ts: all: failed'])
  t.same(faultsOf([{ ...good, ids: [...wanted, 'M99'] }]), [
    'test/requirements/a.test.ts names M99, which is no requirement',
  ])
})

t.test(
  'the page: a row for each requirement, tests from end to end first, nothing that changes from run to run',
  async (t) => {
    const part: ShownTest = { file: 'test/a.test.ts', ids: ['M9'], name: 'a part', ok: true }
    const shown = [part, ...shownTests('test/requirements/z.test.ts', RESULTS)]
    const page = requirementsPage(shown)
    t.equal(page.split('\n').filter((line) => /^\| M\d+ /.test(line)).length, 23)
    t.match(page, '| goods up to the caps (`test/requirements/z.test.ts`)<br>a part (`test/a.test.ts`) |')
    t.match(page, 'loaves, a day \\| a night')
    t.match(page, /\| M1 \|.*\| see \[architecture.md\]/)
    t.notMatch(page, /time=|\d ?ms\b/)
    t.equal(requirementsPage(shown.toReversed()), page)
  },
)
