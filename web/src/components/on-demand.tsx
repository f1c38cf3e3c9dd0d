import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

/** A component without properties whose code loads when it is first shown. A failed load reaches the error boundary around it. */
export function onDemand(load: () => Promise<ComponentType>): ComponentType {
  let loaded: ComponentType | null = null;
  return function OnDemand(): JSX.Element | null {
    const [, update] = useState(0);
    const [failure, setFailure] = useState<unknown>(null);
    useEffect(() => {
      if (loaded !== null) return;
      load().then((component) => {
        loaded = component;
        update((count) => count + 1);
      }, setFailure);
    }, []);
    if (failure !== null) throw failure;
    const Component = loaded;
    return Component === null ? null : <Component />;
  };
}
