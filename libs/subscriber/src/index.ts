export { BadMessage, ConsumerGone, HistoryGone, LogChanged, SubscriberError, SubscriberRefused } from './errors.js';
export type { SubscribedEvent } from './subscribed-event.js';
export { subscribe, type SubscribeOptions } from './subscribe.js';
