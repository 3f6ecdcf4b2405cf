import { connect } from '../helpers/browser.js'
import { canary, setStage, type Stage, type StageOptions } from './stage.js'

/** One thing that happens on a stage of its own, at the end of which everything that came out is searched. */
export interface Flow {
  name: string
  stage?: StageOptions | (() => StageOptions)
  run (stage: Stage, another: (options?: StageOptions) => ReturnType<typeof setStage>): Promise<unknown>
}

/** A merchant connects; a flow that goes on from there would prove nothing if that failed. */
export async function join (stage: Stage, merchantId: string, launch?: string): Promise<void> {
  const { statusCode, headers, body } = await connect(stage.browser(), stage.clover, merchantId, launch)
  if (statusCode !== 302 || String(headers.location).startsWith('http')) throw new Error(`not connected: ${statusCode} ${body}`)
}

/** Asks everything there is to ask about a merchant. */
export async function askAll (stage: Stage, merchantId: string): Promise<void> {
  await stage.token(merchantId)
  await stage.inject({ method: 'GET', url: `/handler/${merchantId}` })
  await stage.try('installation()', async () => await stage.app.clover.installation(merchantId))
  await stage.try('refresh()', async () => await stage.app.clover.refresh(merchantId))
  await stage.try('installations()', async () => {
    const all: unknown[] = []
    for await (const one of stage.app.clover.installations()) all.push(one)
    return all
  })
}

/** The tokens of a merchant, as another integration would hand them over. */
export function pairOf (stage: Stage, merchantId: string) {
  const pair = stage.clover.connect({ merchantId })
  return { merchantId, accessToken: pair.access_token, accessTokenExpiration: pair.access_token_expiration, refreshToken: pair.refresh_token, refreshTokenExpiration: pair.refresh_token_expiration }
}

/** Another server's findings become the stage's own. */
export async function fold (stage: Stage, ...others: Stage[]): Promise<void> {
  for (const other of others) for (const finding of await other.findings()) stage.saw(`another server: ${finding}`, canary())
}

/** A flow proves nothing where what it is about did not happen. */
export function must (isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`it did not happen: ${what}`)
}
