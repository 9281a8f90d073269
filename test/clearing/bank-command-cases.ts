import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import { bankCommand } from '../../src/commands/bank.ts'
import { commandRunner } from '../support/command.ts'
import type { BankWorld } from './bank-world.ts'

/** Each of the commands `mizan bank`: what it does, as text and as JSON, and what it refuses. */
export async function commandCases(t: Test, world: BankWorld): Promise<void> {
  const { folder, bank, outFolder, url, instruct, nextDay, simulated, receiveAll, sound } = world
  const run = commandRunner({ DATABASE_URL: url, MIZAN_VAR: folder })
  const mizan = (...args: string[]) => run(bankCommand, args)
  const json = async (...args: string[]) => {
    const { status, out, errors } = await mizan(...args, '--json')
    if (status !== 0) throw new Error(errors)
    return JSON.parse(out)
  }

  await t.test('receive', async (t) => {
    const day = nextDay()
    const { file } = await instruct(1)
    const [answer = ''] = (await simulated().take(file))?.files ?? []
    const [notification = '', statement = ''] = await simulated(['bank-fee', 'unknown-entry']).endDay(day)
    t.match(await mizan('receive', answer, notification), {
      status: 0,
      out: /2 answer\(s\): 1 applied, of which 0 failed; 0 unknown, 0 unexpected[\s\S]*notification .* for .*: 3 entries\n/,
    })
    const text = readFileSync(statement, 'utf8')
    const other = (name: string, change: (text: string) => string) => {
      const made = path.join(outFolder, name)
      writeFileSync(made, change(text))
      return made
    }
    const account = other('account.xml', (of) => of.replaceAll(bank.account, '99887766'))
    t.match(await mizan('receive', account), { status: 1, out: /account\.xml refused: .*99887766 is none of ours/ })
    const cut = other('cut.xml', (of) => of.slice(0, -20))
    const bad = await mizan('receive', cut, statement, '--json')
    t.equal(bad.status, 1, 'one is refused')
    const [refused, taken] = bad.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.match(refused, { name: cut, refused: /cut\.xml:\d+:\d+/ })
    t.match(taken, { outcome: 'taken', reports: [{ entries: 3, matched: 1, known: 1, suspense: 1 }], booked: [{}] })
    t.match(await mizan('receive', statement), { status: 0, out: /came before, as .*; nothing has changed/ })
    t.match(await mizan('receive', path.join(outFolder, 'none.xml')), { status: 1, out: /none\.xml not read: / })
    t.match(await mizan('receive'), { status: 0, out: 'no file of a bank waits\n' })
    const inFolder = path.join(folder, 'clearing', 'in')
    mkdirSync(path.join(inFolder, 'a-folder.xml'), { recursive: true })
    writeFileSync(path.join(inFolder, 'half.xml'), '<Document><BkToCstmrStmt>')
    t.match(await mizan('receive'), { status: 1, out: /^half\.xml refused: .*\n$/ }, 'a folder is no file')
    await sound(t)
  })

  await t.test('what was received', async (t) => {
    const [newest] = await json('files', '--limit', '1')
    t.match(newest, { name: 'half.xml', state: 'refused' })
    t.match((await mizan('files', '--state', 'refused')).out, /half\.xml {2}refused: .*\n[\s\S]*cut\.xml {2}refused/)
    t.match(
      (await mizan('files', '--state', 'read')).out,
      /camt\.053\.001\.08, kept as UC\.STM\.STBA\..*, came 1 more time/,
    )
    const [statement] = await json('statements', '--report', 'statement', '--bank', String(bank.number), '--limit', '1')
    t.match(statement, { bank: bank.number, entries: 3, suspense: 1, state: 'booked' })
    const id = String(statement.id)
    t.match((await mizan('statements', '--limit', '1')).out, new RegExp(`^ +${id} .*1 in suspense {2}booked\n$`))
    t.match(await mizan('statements', '--bank', '99999'), { status: 0, out: 'there are no statements\n' })
    t.match(await json('show', id), { id: statement.id, list: [{ state: 'matched' }, { state: 'known' }, {}] })
    t.match((await mizan('show', id)).out, /opening .* EGP\n.*\n.*\(bankFee, code\).*\n.*suspense \(unknown\)/)
    t.match(
      (await json('entries', '--statement', id, '--after', '2')).map((one: { number: number }) => one.number),
      [3],
    )
    t.match(await json('entries', '--statement', id, '--state', 'suspense'), [
      { note: 'unknown', suspensePiasters: 77_700 },
    ])
    t.match(await json('answers'), [
      { endToEndId: /^UC-/, status: 'BLCK', outcome: /^unexpected/, bank: bank.number },
      { endToEndId: 'NOBODYS', status: 'ACSC', outcome: 'unknown' },
    ])
    const [returned] = await json('answers', '--state', 'any', '--limit', '1000').then((all) =>
      all.filter((one: { answer: string }) => one.answer === 'return'),
    )
    t.match(
      (await mizan('answers', '--state', 'any', '--end-to-end', returned.endToEndId)).out,
      /^\d+:1 .*UC-.* returns 100\.00 EGP \(AC01 account number wrong\): .*pacs\.004/,
    )
    t.match((await mizan('answers', '--end-to-end', 'NONE')).out, 'no answer is open\n')
    t.match((await mizan('entries', '--end-to-end', 'NONE')).out, 'there are no such entries\n')
  })

  await t.test('rules', async (t) => {
    const rule = ['--field', 'text', '--pattern', 'transfer of some', '--direction', 'credit', '--reason', 'a test']
    t.match(await mizan('rules', 'add', ...rule, '--meaning', 'postal-pool'), { status: 0, out: /^rule \d+ holds/ })
    t.match(await json('rules', 'list'), [{ pattern: 'transfer of some', meaning: 'postal-pool', actor: /^system:/ }])
    t.match(
      (await mizan('rules', 'list')).out,
      /every bank: credit whose text begins with "transfer of some" is postal-pool/,
    )
    await simulated(['unknown-entry']).endDay(nextDay())
    const [, statement = ''] = [0, path.join(outFolder, `${bank.code}.camt.053.${world.today()}.xml`)]
    const [received] = await receiveAll([statement])
    t.match(received?.reports[0], { known: 1, suspense: 0 }, 'the rule holds')
    t.match(await mizan('rules', 'add', ...rule, '--meaning', 'none', '--json'), { status: 0, out: /^\{"id":\d+\}\n$/ })
    await sound(t)
  })

  await t.test('what cannot be asked for is refused in one line', async (t) => {
    const add = ['rules', 'add', '--field', 'text', '--pattern', 'PAY', '--direction', 'credit', '--reason', 'r']
    const cases: [string[], RegExp][] = [
      [['show', '999999'], /^there is no such record: there is no statement 999999\n$/],
      [['show', 'x'], /a statement must be a whole number/],
      [['statements', '--limit', '5000'], /--limit must be a whole number up to 1000/],
      [['statements', '--report', 'x'], /Allowed choices are/],
      [['entries', '--after', '1'], /--after goes with --statement/],
      [['entries', '--state', 'x'], /Allowed choices are/],
      [['files', '--state', 'x'], /Allowed choices are/],
      [[...add, '--meaning', 'subsidy-funds'], /a rule for subsidy-funds names the programme/],
      [[...add, '--meaning', 'bank-fee', '--programme', '1'], /has no programme/],
      [[...add, '--meaning', 'bank-fee', '--bank', '99999'], /there is no settlement bank 99999/],
      [['rules', 'add'], /required option/],
      [['simulate', '--in', folder], /required option '--out/],
      [['simulate', '--in', folder, '--out', folder, '--fault', 'x'], /there is no fault x/],
      [['simulate', '--in', folder, '--out', folder, '--bank', 'NONE'], /there is no such settlement bank/],
      [['none'], /unknown command|error: /],
    ]
    for (const [args, message] of cases) {
      const { status, errors } = await mizan(...args)
      t.equal(status, 1, args.join(' '))
      t.match(errors, message, args.join(' '))
    }
    t.match(await mizan('--help'), {
      status: 0,
      out: /receive[\s\S]*files[\s\S]*answers[\s\S]*statements[\s\S]*show[\s\S]*entries[\s\S]*rules[\s\S]*simulate/,
    })
  })

  await t.test('simulate', async (t) => {
    const day = nextDay()
    const text = String(day).replace(/^(\d{4})(\d\d)(\d\d)$/, '$1-$2-$3')
    const { file } = await instruct(1)
    const orders = path.join(folder, 'orders')
    mkdirSync(orders)
    writeFileSync(path.join(orders, path.basename(file)), readFileSync(file))
    const paths = ['--in', orders, '--out', outFolder, '--state', world.stateFolder]
    const said = await mizan('simulate', ...paths, '--bank', bank.code, '--date', text, '--json')
    t.match(
      said.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
      [
        { bank: bank.code, took: path.basename(file), payments: 1 },
        { bank: bank.code, closed: text },
      ],
    )
    const config = path.join(folder, 'production.json')
    writeFileSync(config, JSON.stringify({ environment: 'production' }))
    t.equal((await mizan('simulate', ...paths, '--config', config)).status, 1, 'never in production')
    const received = JSON.parse(said.out.trim().split('\n')[1] ?? '{}').files as string[]
    await receiveAll(received)
    await sound(t)
  })
}
