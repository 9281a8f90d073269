import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import { Demo, succeeds } from './demo.ts'
import { luhnHolds, plainRecords, plainTotals } from './independent-reader.ts'

interface ManifestFile {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
}

test('the demo ends its day: files, banks and reconciliation, with nothing open', async (t) => {
  const demo = new Demo()
  t.teardown(() => demo.stop())
  await demo.start()
  await succeeds(t, demo, 'demo')
  const said = await succeeds(t, demo, 'demo', 'day')
  t.match(said, / 0 break\(s\): 0 new, 0 resolved/)
  t.match(said, /nothing is open/)

  const delivered = path.join(demo.varDir, 'clearing', 'delivered')
  const all = readdirSync(delivered, { recursive: true, encoding: 'utf8' }).map((name) => path.join(delivered, name))
  const named = (pattern: RegExp) => all.filter((name) => pattern.test(path.basename(name)))
  t.same(named(/\.CTF\..*\d$/), [], 'card numbers leave encrypted alone')

  // The last manifest names every file of the day, and the files are what it says.
  const [manifest] = named(/^UC\.MAN\..*\d$/)
    .sort()
    .reverse()
  const { files } = JSON.parse(readFileSync(manifest ?? '', 'utf8')) as { files: readonly ManifestFile[] }
  t.ok(files.length >= 6, `${files.length} files`)
  for (const { name, bytes, sha256 } of files) {
    const [file] = all.filter((one) => path.basename(one) === name)
    if (file === undefined) {
      t.match(name, /\.CTF\./)
      continue
    }
    const read = readFileSync(file)
    t.same([read.length, createHash('sha256').update(read).digest('hex')], [bytes, sha256], name)
  }

  // The scheme's file, opened, by a reader that shares no code with the writer.
  const ctf = files.find(({ name }) => name.includes('.CTF.'))
  const clear = path.join(demo.varDir, 'opened')
  await succeeds(t, demo, 'clearing', 'open', ctf?.name ?? '', '--out', clear)
  const bytes = readFileSync(clear)
  t.equal(createHash('sha256').update(bytes).digest('hex'), ctf?.sha256)
  const text = bytes.includes('\r\n') ? Buffer.from(bytes.toString('latin1').replaceAll('\r\n', ''), 'latin1') : bytes
  const records = plainRecords(text)
  const totals = plainTotals(records)
  t.ok(totals.drafts >= 1)
  for (const { fields, layout } of records) if (layout === '05.0') t.ok(luhnHolds(fields.accountNumber?.trim() ?? ''))
  const shown = JSON.parse(await succeeds(t, demo, 'verify', '--json')) as { name: string; ok: boolean }[]
  t.same(
    shown.filter(({ ok }) => !ok),
    [],
  )

  // What a bank takes amiss goes out again under the next number.
  const wrong = files.find(({ name }) => name.includes('.SUB.'))?.name ?? ''
  const day = wrong.split('.')[3]?.replace(/(....)(..)(..)/, '$1-$2-$3') ?? ''
  const right = wrong.replace(/001$/, '002')
  await succeeds(t, demo, 'clearing', 'correct', wrong, '--reason', 'the bank cannot read it')
  await succeeds(t, demo, 'clearing', 'deliver', day)
  const now = readdirSync(delivered, { recursive: true, encoding: 'utf8' }).map((name) => path.basename(name))
  t.ok(now.includes(right) && now.includes(`${right}.p7s`), right)
  await succeeds(t, demo, 'clearing', 'verify', day)
  await succeeds(t, demo, 'verify')

  // Once more: the day is closed, and nothing is made twice.
  const again = await succeeds(
    t,
    demo,
    'cutover',
    '--date',
    files[0]?.name.split('.')[3]?.replace(/(....)(..)(..)/, '$1-$2-$3') ?? '',
  )
  t.match(again, /closed/)
  await succeeds(t, demo, 'reconcile', 'run')
})
