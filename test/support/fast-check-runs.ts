import { registerHooks } from 'node:module'
import original from 'fast-check'
import { propertyRuns } from './property-runs.ts'

/**
 * fast-check with as many runs as are asked for. Loaded before a test (`node --import`), it stands in for the package
 * in whatever is loaded after it, so that no test need know of it.
 */
const RUNS_BY_DEFAULT = 100

function multiplied<T>(parameters: original.Parameters<T> = {}): original.Parameters<T> {
  return { ...parameters, numRuns: propertyRuns(parameters.numRuns ?? RUNS_BY_DEFAULT) }
}

const assert = <T>(property: original.IRawProperty<T>, parameters?: original.Parameters<T>) =>
  original.assert(property, multiplied(parameters))
const check = <T>(property: original.IRawProperty<T>, parameters?: original.Parameters<T>) =>
  original.check(property, multiplied(parameters))

const more = { ...original, assert, check }
// biome-ignore lint/style/noDefaultExport: it stands in for a package whose default export the tests import
export default more

registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier === 'fast-check' && context.parentURL !== import.meta.url ? import.meta.url : specifier, context),
})
