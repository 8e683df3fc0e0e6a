import { expectTypeOf, test } from 'vitest'
import { StentorClient, StentorError, type ErrorCode, type Gap, type Message, type State, type Subscription } from '../src/index.js'

test('the types of the API', () => {
  type Options = ConstructorParameters<typeof StentorClient>[0]
  expectTypeOf<{ urls: string; token: () => Promise<string> }>().toExtend<Options>()
  expectTypeOf<{ endpoints: string[]; project: string; token: string }>().toExtend<Options>()
  expectTypeOf<{ urls: number }>().not.toExtend<Options>()

  const push = null as unknown as StentorClient
  expectTypeOf(push.subscribe).returns.toEqualTypeOf<Subscription>()
  expectTypeOf(push.subscribe).parameter(1).parameter(0).toEqualTypeOf<Message>()
  expectTypeOf(push.publish('/x', {})).toEqualTypeOf<Promise<void>>()
  expectTypeOf(push.close()).toEqualTypeOf<Promise<void>>()
  expectTypeOf<NonNullable<NonNullable<Parameters<typeof push.subscribe>[2]>['onGap']>>().parameter(0).toEqualTypeOf<Gap>()
  expectTypeOf(push.on<'state'>).parameter(1).parameter(0).toEqualTypeOf<State>()
  expectTypeOf(push.on<'error'>).parameter(1).parameter(0).toEqualTypeOf<StentorError>()
  expectTypeOf<Extract<State, { name: 'refused' }>['code']>().toEqualTypeOf<ErrorCode>()
  // @ts-expect-error there is no such event
  push.on('message', () => {})
  // @ts-expect-error a destination is text
  push.subscribe(7, () => {})
})
