import { Type } from '@sinclair/typebox'
import { checkOptions, optionsOf } from '../checks/arguments.js'
import { summarize, type Installation, type InstallationSummary, type UnusableInstallation } from '../installation.js'
import { readPages } from '../storage/page.js'
import type { Store } from './store.js'

const InstallationsArgument = optionsOf<{ unusable?: boolean }>({ unusable: Type.Boolean({ must: 'true or false' }) })

/** @internal Backs `installations()`: every record of this app, environment and deployment, as `show` shows it, page by page. */
export async function * installations (
  store: Pick<Store, 'list'>,
  options: { unusable?: boolean } = {},
  show: (record: Installation) => InstallationSummary = summarize
): AsyncGenerator<InstallationSummary | UnusableInstallation, void, undefined> {
  checkOptions('installations', InstallationsArgument, options)
  const { unusable: withUnusable } = options
  for await (const page of readPages(from => store.list({ limit: 100, ...from }))) {
    for (const record of page.items) yield show(record)
    if (withUnusable) for (const { merchantId = null, reason } of page.unusable) yield { merchantId, unusable: reason }
  }
}
