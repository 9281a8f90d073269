import type { CivilDate } from '../calendar.ts'
import { lastOpenDate, periodOf } from './entitlement.ts'
import type { CoverProgramme, PaymentProgramme, Programme, WalletProgramme } from './programme.ts'
import { requireProgrammes } from './programme-check.ts'
import { compileProgramme } from './programme-compile.ts'
import type { OutletCategory, ProgrammeFile } from './programme-schema.ts'

/** The programmes of one date: of each code the version that decides. */
export interface ProgrammeBook {
  readonly date: CivilDate
  /** By number. */
  readonly all: readonly Programme[]
  /** By number. */
  readonly wallets: readonly WalletProgramme[]
  readonly payments: readonly PaymentProgramme[]
  byCode(code: string): Programme | undefined
  byNumber(number: number): Programme | undefined
  /** A wallet programme by its code. */
  wallet(code: string): WalletProgramme | undefined
  /** What an account code of DE3 names: the cover, or the wallet whose value ends first. */
  byAccountCode(accountCode: string): WalletProgramme | CoverProgramme | undefined
  /** The wallets of an account code of DE3, those first whose value of today ends first. */
  walletsByAccountCode(accountCode: string): readonly WalletProgramme[]
  /** The cover; undefined when there is none. */
  cover(): CoverProgramme | undefined
  /** What is meant at an outlet when a message names no account. */
  defaultFor(category: OutletCategory): WalletProgramme | CoverProgramme | undefined
}

/** All published versions of all programmes. */
export interface ProgrammeCatalogue {
  /** By code and version. */
  readonly versions: readonly Programme[]
  /** Sorted, of whatever date. */
  readonly codes: readonly string[]
  /** The programmes of a date. */
  on(date: CivilDate): ProgrammeBook
}

/** Dates that decisions ask for lie close together; a run over years of traffic goes round. */
const BOOKS_MAX = 64

/**
 * Checks programme files and makes the catalogue.
 * @throws MizanError CONFIG_INVALID naming every fault
 */
export function programmeCatalogue(files: readonly ProgrammeFile[]): ProgrammeCatalogue {
  requireProgrammes(files)
  const versions = files
    .map(compileProgramme)
    .sort((a, b) => (a.code === b.code ? a.version - b.version : a.code < b.code ? -1 : 1))
  const books = new Map<CivilDate, ProgrammeBook>()
  return {
    versions,
    codes: [...new Set(versions.map(({ code }) => code))],
    on(date) {
      let book = books.get(date)
      if (book === undefined) {
        book = bookOf(decidingOn(versions, date), date)
        if (books.size >= BOOKS_MAX) books.clear()
        books.set(date, book)
      }
      return book
    },
  }
}

/** The version of each code with the greatest effective date that has come, unless it has ended. */
function decidingOn(versions: readonly Programme[], date: CivilDate): Programme[] {
  const current = new Map<string, Programme>()
  for (const programme of versions) if (programme.effectiveFrom <= date) current.set(programme.code, programme)
  return [...current.values()].filter(({ effectiveTo }) => effectiveTo === undefined || date <= effectiveTo)
}

/** The book of a date as it would be with a programme in the place of its own version, whatever that one's dates. */
export function bookWith(book: ProgrammeBook, programme: Programme): ProgrammeBook {
  return bookOf([...book.all.filter(({ code }) => code !== programme.code), programme], book.date)
}

function bookOf(programmes: readonly Programme[], date: CivilDate): ProgrammeBook {
  const all = [...programmes].sort((a, b) => a.number - b.number)
  const wallets = all.filter((programme) => programme.kind === 'wallet')
  const covers = all.filter((programme) => programme.kind === 'cover')
  const byCode = new Map(all.map((programme) => [programme.code, programme]))
  const byNumber = new Map(all.map((programme) => [programme.number, programme]))
  const byAccountCode = walletsByAccountCode(wallets, date)
  const byOutlet = new Map<OutletCategory, WalletProgramme | CoverProgramme>()
  for (const programme of [...covers, ...wallets]) {
    for (const category of programme.outlets.defaultFor) byOutlet.set(category, programme)
  }
  const none: readonly WalletProgramme[] = []
  return {
    date,
    all,
    wallets,
    payments: all.filter((programme) => programme.kind === 'payment'),
    byCode: (code) => byCode.get(code),
    byNumber: (number) => byNumber.get(number),
    wallet(code) {
      const found = byCode.get(code)
      return found?.kind === 'wallet' ? found : undefined
    },
    byAccountCode: (code) => byAccountCode.get(code)?.[0] ?? covers.find((programme) => programme.accountCode === code),
    walletsByAccountCode: (code) => byAccountCode.get(code) ?? none,
    cover: () => covers[0],
    defaultFor: (category) => byOutlet.get(category),
  }
}

function walletsByAccountCode(
  wallets: readonly WalletProgramme[],
  date: CivilDate,
): Map<string, readonly WalletProgramme[]> {
  const ends = new Map(wallets.map((wallet) => [wallet, lastOpenDate(wallet, periodOf(wallet, date))]))
  const endOf = (wallet: WalletProgramme) => ends.get(wallet) ?? date
  const found = new Map<string, WalletProgramme[]>()
  for (const wallet of wallets) found.set(wallet.accountCode, [...(found.get(wallet.accountCode) ?? []), wallet])
  for (const group of found.values()) group.sort((a, b) => endOf(a) - endOf(b) || a.number - b.number)
  return found
}
