package hubtest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/hubtest"
)

// A device in a bubble, where a day of keep alives takes no time.
func TestDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := hubtest.New(t, hubtest.Guarded)
		data := hub.Recorder(t, "dt/#")
		pump := hub.Device(t, "pump-1")
		client := hub.DeviceClient(t, pump)
		_, err := client.Publish(t.Context(), &paho.Publish{Topic: "dt/pump-1/temp", Payload: []byte("21"), QoS: 1})
		require.NoError(t, err)
		require.Equal(t, "21", string(data.Next(t.Context()).Payload))
		_, err = client.Publish(t.Context(), &paho.Publish{Topic: "dt/pump-2/temp", QoS: 1})
		require.Error(t, err)
		time.Sleep(24 * time.Hour)
		_, up := hub.Hub.Client("pump-1")
		require.True(t, up)
		_, ack, err := hub.TryClient(t, "pump-1")
		require.ErrorIs(t, err, broker.NotAuthorized)
		require.NotNil(t, ack)
		require.NoError(t, hub.Certificates().UpdateCertificate(t.Context(), pump.CertificateID, certs.Revoked))
		_, up = hub.Hub.Client("pump-1")
		require.False(t, up)
		_, ack, err = hub.TryDeviceClient(t, pump)
		require.Error(t, err)
		require.Nil(t, ack)
	})
}
