"""The stand-alone runtime of one twin: commitlog, state, reducers, authorization, subscriptions, server."""
