import type { FileStepOptions } from './clearing/outgoing/file-steps.ts'
import type { Config } from './config/config.ts'
import { dialects } from './iso8583/dialects.ts'
import type { PanProtection } from './security/pan-protection.ts'

/** What the steps that write clearing files are given, from the configuration. */
export function fileStepOptions(config: Config, protection: Pick<PanProtection, 'decrypt'>): FileStepOptions {
  const { processingBin, centre, batchItems, testFiles } = config.clearing
  return { processingBin, centre, batchItems, testFiles, railLinks: railLinksOf(config), protection }
}

/** Links whose messages are the card scheme's: those that carry its header. */
function railLinksOf({ listeners, outbound }: Config): string[] {
  const isRail = (dialect: string) => dialects[dialect]?.spec.header === 'visa'
  const own = Object.entries(listeners).filter(([, { dialect }]) => isRail(dialect))
  return [...own.map(([name]) => name), ...outbound.filter(({ dialect }) => isRail(dialect)).map(({ name }) => name)]
}
